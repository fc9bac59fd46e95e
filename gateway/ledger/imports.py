"""What is kept of an import as a whole: where its files are, how it was asked for, what was left out."""

from __future__ import annotations

import json
from typing import Any

from gateway.ledger import packing
from gateway.ledger.part import Part

PREFIX = "import:"
"""Of the keys of imports."""


class Imports(Part):
    """Facts about imports, by name. A fact is anything that JSON can say, and a small one."""

    def keep(self, name: str, **facts: Any) -> None:
        """Keeps these facts of an import; its others stay."""
        with self.database.write() as transaction:
            row = transaction.row("meta", {"key": _key(name)})
            # ASCII, since a path may have characters for undecodable bytes, which no text can have
            value = json.dumps({**(json.loads(row["value"]) if row else {}), **facts})
            transaction.run("import_keep", {"key": _key(name), "value": value})

    def kept(self, name: str) -> dict[str, Any]:
        """What is kept of an import; nothing of one that nobody knows."""
        with self.database.read() as transaction:
            row = transaction.row("meta", {"key": _key(name)})
        return json.loads(row["value"]) if row else {}

    def names(self) -> tuple[str, ...]:
        """The imports of which anything is kept."""
        with self.database.read() as transaction:
            rows = transaction.rows("imports", {"prefix": PREFIX})
        return tuple(row["name"] for row in rows)


def _key(name: str) -> str:
    return PREFIX + packing.storable(name)
