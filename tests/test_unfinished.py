"""Half-written files and folders: one rule says when the next writer removes them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from m2m_adapters._internal import unfinished
from m2m_adapters._internal.unfinished import (
    ABANDONED_SECONDS,
    remove_abandoned,
    unfinished_file,
    unfinished_folder,
)

posix = pytest.mark.skipif(os.name == "nt", reason="a process cannot be asked there")


def half_a_file(place: Path) -> Path:
    left = unfinished_file(place / "a.json")
    left.write_text("half")
    return left


def half_a_folder(place: Path) -> Path:
    left = unfinished_folder(place)
    (left / "part").mkdir()
    (left / "part" / "a.json").write_text("half")
    return left


KINDS = pytest.mark.parametrize("half", [half_a_file, half_a_folder])


def of_another_machine(left: Path) -> Path:
    return left.rename(left.with_name(left.name.replace(unfinished._machine(), "00000000")))


def of_an_ended_process(left: Path) -> Path:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return left.rename(left.with_name(left.name.replace(f"-{os.getpid()}-", f"-{ended.pid}-")))


def written(path: Path, seconds_ago: float) -> None:
    then = time.time() - seconds_ago
    for inside in (path, *path.rglob("*")):
        os.utime(inside, (then, then))


@posix
@KINDS
def test_what_an_ended_process_left_is_removed_at_once(
    tmp_path: Path, half: Callable[[Path], Path]
) -> None:
    left = of_an_ended_process(half(tmp_path))
    remove_abandoned(tmp_path)
    assert not left.exists()


@posix
@KINDS
def test_what_a_running_process_writes_is_never_removed(
    tmp_path: Path, half: Callable[[Path], Path]
) -> None:
    left = half(tmp_path)
    written(left, 9 * ABANDONED_SECONDS)
    remove_abandoned(tmp_path)
    assert left.exists()


@KINDS
@pytest.mark.parametrize("whose", ["another machine", "a process that cannot be asked"])
def test_where_nobody_can_be_asked_it_is_removed_after_a_day(
    tmp_path: Path, half: Callable[[Path], Path], whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = half(tmp_path)
    if whose == "another machine":
        left = of_another_machine(left)
    else:  # Windows
        monkeypatch.setattr(unfinished, "_runs", lambda process: None)
    written(left, ABANDONED_SECONDS - 600)
    remove_abandoned(tmp_path)
    assert left.exists()
    written(left, ABANDONED_SECONDS + 600)
    remove_abandoned(tmp_path)
    assert not left.exists()


def test_a_folder_is_as_old_as_what_was_written_into_it_last(tmp_path: Path) -> None:
    left = of_another_machine(half_a_folder(tmp_path))
    written(left, 2 * ABANDONED_SECONDS)
    os.utime(left / "part" / "a.json")
    remove_abandoned(tmp_path)
    assert left.exists()


def test_names_that_are_not_ours_stay(tmp_path: Path) -> None:
    tag = "00000000-1-abc"
    names = [".download.part", f"a.{tag}.part", f".a.{tag}", f".a.{tag}.parts", ".m2m-part.old",
             f".a.{tag}.part.txt", ".a.0000-1-abc.part"]  # fmt: skip
    for name in names:
        (tmp_path / name).write_text("of another program")
    folders = [f".a.{tag}.part", f".m2m-part.{tag}.part", f"m2m-part.{tag}"]
    for name in folders:
        (tmp_path / name).mkdir()
    for path in tmp_path.iterdir():
        written(path, 9 * ABANDONED_SECONDS)
    remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names + folders)


def test_a_folder_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    remove_abandoned(tmp_path / "nowhere")
