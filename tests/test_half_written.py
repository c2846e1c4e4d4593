"""Files that appear whole or not at all, and what a kill leaves of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from half_written import half_written, half_written_folder

from m2m_adapters._internal import unfinished
from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.folders import whole_folder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="processes are killed")
WRITE = """
import pathlib, sys
from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.folders import whole_folder
with whole_file(pathlib.Path(sys.argv[1])) as temporary:
    temporary.write_text("whole")
"""


def write(path: Path) -> None:
    subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True)


def test_the_next_process_that_writes_into_the_folder_removes_it(tmp_path: Path) -> None:
    left = half_written(tmp_path / "a.json")
    assert left.read_text() == "half" and not (tmp_path / "a.json").exists()
    write(tmp_path / "another.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another.json"]


def test_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    with whole_file(tmp_path / "a.json") as temporary:
        temporary.write_text("ours")
        write(tmp_path / "a.json")
        assert temporary.exists()
    assert (tmp_path / "a.json").read_text() == "ours"


def test_files_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = half_written(tmp_path / "a.json")
    elsewhere = left.with_name(left.name.replace(unfinished._machine(), "00000000"))
    left.rename(elsewhere)  # another machine, over a network's file system
    foreign = tmp_path / ".download.part"
    foreign.write_text("of another program")
    write(tmp_path / "b.json")
    assert elsewhere.exists() and foreign.exists()


@pytest.mark.parametrize("exists", [True, False])
def test_the_next_write_of_a_folder_removes_what_a_kill_left(tmp_path: Path, exists: bool) -> None:
    out = tmp_path / "out"

    def save() -> None:
        with whole_folder(out) as temporary:
            (temporary / "a.txt").write_text("whole")

    if exists:
        save()
    half_written_folder(out)
    assert len(list(tmp_path.rglob(".m2m-part.*"))) == 1
    save()
    assert (out / "a.txt").read_text() == "whole"
    assert not list(tmp_path.rglob(".m2m-part.*"))
