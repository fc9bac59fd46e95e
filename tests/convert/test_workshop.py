"""The folder for converted files: nothing of it is left behind, however its owner ended."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.convert.workshop import LOCK, Workshop
from gateway.errors import Fatal

KILLED = """
import os, sys
from pathlib import Path
from gateway.convert.workshop import Workshop
shop = Workshop(Path(sys.argv[1]))
shop.new(".dcm").write_bytes(b"a picture")
os.kill(os.getpid(), 9)
"""


def test_nothing_is_left_after_success_or_failure(tmp_path: Path) -> None:
    with Workshop(tmp_path) as shop:
        shop.new(".dcm").write_bytes(b"a picture")
        assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="in between"), Workshop(tmp_path) as shop:
        shop.new().touch()
        raise ValueError("in between")
    assert list(tmp_path.iterdir()) == []


def test_no_folder_is_made_that_nobody_needs(tmp_path: Path) -> None:
    with Workshop(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_what_killed_ones_left_is_removed_and_what_others_use_is_not(tmp_path: Path) -> None:
    with Workshop(tmp_path) as other:
        own = other.new()
        own.touch()
        subprocess.run([sys.executable, "-c", KILLED, os.fspath(tmp_path)], check=False)
        left = [each for each in tmp_path.iterdir() if each != other.folder]
        assert [path.read_bytes() for path in left[0].glob("*.dcm")] == [b"a picture"]
        with Workshop(tmp_path) as shop:
            assert {other.folder, shop.folder} == set(tmp_path.iterdir())
        assert own.exists()


def test_what_was_killed_while_it_was_removed_is_removed(tmp_path: Path) -> None:
    """Its lock may have been the first to go."""
    subprocess.run([sys.executable, "-c", KILLED, os.fspath(tmp_path)], check=False)
    [left] = tmp_path.iterdir()
    (left / LOCK).unlink()
    with Workshop(tmp_path) as shop:
        assert [shop.folder] == list(tmp_path.iterdir())


def test_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fatal, match="--tmp-dir"):
        Workshop(tmp_path / "file").new()
