"""Folders that are written whole: nothing of anybody else's is removed, readers see one version."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from m2m_adapters._internal import folders
from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.folders import MANIFEST, PENDING, check_folder, current, whole_folder
from m2m_adapters.errors import UserError
from m2m_adapters.report.demo import run_demo


def write(path: Path, **files: str) -> None:
    with whole_folder(path) as temporary:
        for name, text in files.items():
            (temporary / name.replace("__", "/")).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name.replace("__", "/")).write_text(text)


def content(path: Path) -> dict[str, str]:
    return {p.relative_to(path).as_posix(): p.read_text() for p in path.rglob("*")
            if p.is_file() and p.name != MANIFEST}  # fmt: skip


def test_a_new_folder_and_its_successor(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b", page="one", part__x="1", part__y="2")
    (tmp_path / "a" / "b" / "notes.txt").write_text("mine")
    (tmp_path / "a" / "b" / "part" / "mine.txt").write_text("mine")
    write(tmp_path / "a" / "b", page="two", other__z="3")
    assert content(tmp_path / "a" / "b") == {
        "page": "two", "other/z": "3", "notes.txt": "mine", "part/mine.txt": "mine"}  # fmt: skip
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "empty", page="one")
    assert content(tmp_path / "empty") == {"page": "one"}
    assert sorted(p.name for p in (tmp_path / "empty").iterdir()) == [MANIFEST, "page"]


def test_the_working_folder_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("."), page="one")
    assert content(tmp_path) == {"page": "one"}


def test_what_others_wrote_is_never_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for refuse in (lambda: check_folder(tmp_path), lambda: write(tmp_path, page="one"),
                   lambda: run_demo(tmp_path)):  # fmt: skip
        with pytest.raises(UserError, match=r"files that m2m did not write \(thesis.txt"):
            refuse()
    with pytest.raises(UserError, match="is a file"):
        run_demo(tmp_path / "thesis.txt")
    assert content(tmp_path) == {"thesis.txt": "years of work"}
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_of_others_in_the_way_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "x", page="one")
    (tmp_path / "x" / "index.html").write_text("mine")
    with pytest.raises(UserError, match="exists and was not written by m2m"):
        write(tmp_path / "x", **{"index.html": "ours"})
    assert content(tmp_path / "x") == {"page": "one", "index.html": "mine"}


def test_a_link_is_followed_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write(tmp_path / "link", page="one")
    assert (tmp_path / "link").is_symlink() and content(tmp_path / "real") == {"page": "one"}
    (tmp_path / "file-link").symlink_to(tmp_path / "real" / "page")
    with whole_file(tmp_path / "file-link") as temporary:
        temporary.write_text("two")
    assert (tmp_path / "file-link").is_symlink() and content(tmp_path / "real") == {"page": "two"}


def test_a_list_that_leads_out_of_the_folder_removes_nothing(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    write(tmp_path / "x", page="one")
    (tmp_path / "x" / MANIFEST).write_text('{"files": ["../victim", "/etc/hostname", "page"]}')
    write(tmp_path / "x", other="two")
    assert (tmp_path / "victim").read_text() == "mine"
    assert content(tmp_path / "x") == {"other": "two"}


def test_a_failure_leaves_the_old_files(tmp_path: Path) -> None:
    write(tmp_path / "x", page="one")
    with pytest.raises(ZeroDivisionError), whole_folder(tmp_path / "x") as temporary:
        (temporary / "page").write_text("two")
        1 / 0  # noqa: B018
    assert content(tmp_path / "x") == {"page": "one"}
    assert sorted(p.name for p in (tmp_path / "x").iterdir()) == [MANIFEST, "page"]


def test_a_write_that_was_killed_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "x"
    write(place, a="1", b="1", gone="1")
    real, moved = os.replace, []

    def dies_half_way(old: Path, new: Path) -> None:
        if moved:
            os._exit(9)
        moved.append(new)
        real(old, new)

    pid = os.fork()
    if pid == 0:
        monkeypatch.setattr(folders.os, "replace", dies_half_way)
        write(place, a="2", b="2")
        os._exit(0)
    os.waitpid(pid, 0)
    assert (place / PENDING).is_dir()
    assert [current(place, name).read_text() for name in "ab"] == ["2", "2"]
    write(place, c="3")
    assert content(place) == {"c": "3"}


def _writer(place: Path, number: int) -> None:
    for _ in range(25):
        write(place, **{name: str(number) for name in ("a", "b", "c")})


def test_writers_at_once_leave_the_files_of_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_writer, args=(tmp_path / "x", n)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert len(set(content(tmp_path / "x").values())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_writer_killed_anywhere_leaves_one_version(tmp_path: Path) -> None:
    place = tmp_path / "x"
    write(place, a="0", b="0")
    for number in range(1, 15):
        pid = os.fork()
        if pid == 0:
            for again in range(1000):
                write(place, a=f"{number}.{again}", b=f"{number}.{again}")
            os._exit(0)
        time.sleep(0.004 * number)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        assert current(place, "a").read_text() == current(place, "b").read_text()
    write(place, a="last", b="last")
    seen = {name: text for name, text in content(place).items() if not name.startswith(".m2m")}
    assert seen == {"a": "last", "b": "last"}


def test_files_of_fixed_names_go_with_their_version(tmp_path: Path) -> None:
    def save(**files: str) -> None:
        with whole_folder(tmp_path / "a", names=("one", "two")) as temporary:
            for name, text in files.items():
                (temporary / name).write_text(text)

    save(one="1", two="2")
    (tmp_path / "a" / "mine").write_text("mine")
    save(one="3")
    assert content(tmp_path / "a") == {"one": "3", "mine": "mine"}
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["mine", "one"]


def test_a_killed_removal_is_finished_by_the_next_write(tmp_path: Path) -> None:
    """The writer died after its files counted, before the old one of fixed name was gone."""
    (tmp_path / "two").write_text("old")
    pending = tmp_path / PENDING
    pending.mkdir()
    (pending / "one").write_text("new")
    (pending / folders.GONE).write_text('{"files": ["two", "../outside"]}')
    with whole_folder(tmp_path, names=("one", "two", "three")) as temporary:
        (temporary / "three").write_text("newest")
    assert content(tmp_path) == {"three": "newest"}
