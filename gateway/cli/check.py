"""`gateway check`: whether mappings, templates and configurations are right, and what they do with files.

Sends nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.errors import Fatal

if TYPE_CHECKING:
    from gateway.mapping.language import Mapping
    from gateway.mapping.templates import ObjectTemplate

YAML = (".yaml", ".yml")
_OF_CONFIGURATION = re.compile(rb"^\s*[{]?\s*['\"]?(destinations|folders|ledger)['\"]?\s*:", re.MULTILINE)
"""What only a configuration has at the beginning of a line, be the rest as faulty as it may."""


@click.command("check", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("names", nargs=-1, metavar="CONFIG|MAPPING|TEMPLATE|FILE|DIR...")
@click.option(
    "--schema",
    type=click.Choice(["mapping", "template", "config"]),
    is_flag=False,
    flag_value="mapping",
    help="Print the JSON Schema of mappings, object templates or configurations, for editors.",
)
@click.option("--offline", is_flag=True, help="Do not ask the archives of a configuration.")
def command(names: tuple[str, ...], schema: str | None, offline: bool) -> int:
    """Checks mappings and object templates, by name or file, and shows what they do with FILEs and DIRs.

    A configuration of hot folders is checked with its places, some of the files that lie there, and its
    archives; nothing is sent.

    All that is wrong comes at once, as FILE:LINE:COLUMN: message, and the exit status is 2. With files it
    is 3 when one of them would not be sent.
    """
    if schema:
        _print_schema(schema)
        return 0
    if not names:
        raise Fatal("there is nothing to check: name a mapping, and files to try it on if you like")
    if _is_configuration(names[0]):
        if len(names) > 1:
            raise Fatal("a configuration is checked by itself: the files to try it on lie in its folders")
        return _check_configuration(Path(names[0]), offline)
    if offline:
        raise Fatal("--offline is for a configuration: nothing else asks an archive")
    checked = [names[0], *(name for name in names[1:] if _is_sheet(name))]
    samples = [Path(name) for name in names[1:] if not _is_sheet(name)]
    mappings = _mappings(checked)
    if mappings is None:
        return 2
    return _try(mappings, samples) if samples else 0


def _try(mappings: Sequence[Mapping], samples: Sequence[Path]) -> int:
    from gateway.cli.trial import Trial
    from gateway.convert.workshop import Workshop

    with Workshop() as shop:
        trial = Trial(mappings, shop)
        for line in trial.run(samples):
            click.echo(line)
    return 3 if trial.left_out else 0


def _is_configuration(name: str) -> bool:
    path = Path(name)
    return (
        path.suffix.lower() in YAML and path.is_file() and bool(_OF_CONFIGURATION.search(path.read_bytes()))
    )


def _check_configuration(path: Path, offline: bool) -> int:
    from gateway.cli.report import printable
    from gateway.intake import checking
    from gateway.intake.configuration import load

    try:
        configuration = load(path)
    except Fatal as error:
        click.echo(str(error))
        return 2
    right = True
    for finding in checking.findings(configuration, offline=offline):
        click.echo(printable(str(finding)))
        right = right and finding.level is not checking.Level.FAULT
    return 0 if right else 2


def _print_schema(sort: str) -> None:
    # pydantic takes longer to load than answering --help
    from gateway import documents
    from gateway.intake.configuration import ConfigurationModel
    from gateway.mapping import models

    sorts: dict[str, type[documents.Model]] = {
        "mapping": models.MappingModel,
        "template": models.TemplateModel,
        "config": ConfigurationModel,
    }
    schema = documents.schema(sorts[sort])
    click.echo(json.dumps(schema, indent=2))


def _is_sheet(name: str) -> bool:
    """Whether a name stands for a mapping or template, and not for a file to try one on."""
    from gateway.mapping.sheets import MAPPINGS, TEMPLATES, available

    if Path(name).suffix.lower() in YAML:
        return True
    ours = [*available(MAPPINGS.folder), *available(TEMPLATES.folder)]
    return name in ours and not Path(name).exists()


def _mappings(names: Iterable[str]) -> list[Mapping] | None:
    """The mappings among the names; None if anything is wrong, which is printed."""
    from gateway.mapping.templates import ObjectTemplate

    found: list[Mapping] = []
    right = True
    for name in names:
        try:
            loaded = _load(name)
        except Fatal as error:
            click.echo(str(error))
            right = False
            continue
        click.echo(f"{name}: ok ({_summary(loaded)})")
        if not isinstance(loaded, ObjectTemplate):
            found.append(loaded)
            if warning := _warning(loaded):
                click.echo(f"{name}: {warning}")
    return found if right else None


def _load(name: str) -> Mapping | ObjectTemplate:
    from gateway.mapping.language import load
    from gateway.mapping.sheets import is_template
    from gateway.mapping.templates import load_template

    return load_template(name) if is_template(name) else load(name)


def _summary(loaded: Mapping | ObjectTemplate) -> str:
    from gateway.mapping.templates import ObjectTemplate

    attributes = len({each.name for level in loaded.levels for each in level})
    said = [f"{attributes} attribute{'s' * (attributes != 1)}"]
    if isinstance(loaded, ObjectTemplate):
        return f"object template, {said[0]}"
    said += [f"sources {', '.join(source.name for source in loaded.sources)}"] if loaded.sources else []
    said += [f"kinds {', '.join(loaded.kinds)}"] if loaded.kinds else []
    checks = len(loaded.checks)
    said += [f"{checks} check{'s' * (checks != 1)}"] if checks else []
    return "; ".join(said)


def _warning(mapping: Mapping) -> str | None:
    """What is worth saying of a mapping that is right."""
    from gateway.mapping.sheets import MAPPINGS, own

    ours = own(MAPPINGS.folder)
    if mapping.patient_id is None and any(file.parent == ours for file in mapping.files):
        return (
            "warning: without a pattern for Patient IDs any number that is no date and no camera's counter "
            "is taken for one; write a mapping with 'extends:' and your own, such as patient_id: '\\d{7}'"
        )
    return None
