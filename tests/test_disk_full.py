"""A disk that is full at any byte: one line, nothing half-written, all that was there intact.

The system's limit on the size of a file stands for the disk: a write beyond it fails alike.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from toy_media import save_picture

from m2m_adapters.testing import toy_sentences

resource = pytest.importorskip("resource")

# command -> what it writes beside the cache
COMMANDS = {
    "align": "align -s toy-source -t toy-target --texts {d}/new.txt --out {d}/adapter",
    "align with a checkpoint": "align -s toy-source -t toy-target --texts {d}/new.txt "
    "--recipe paper --epochs 2 --out {d}/adapter",
    "encode": "encode {d}/adapter --file {d}/new.txt --out {d}/vectors.npy",
    "encode to a table": "encode {d}/adapter --file {d}/new.txt --out {d}/vectors.jsonl",
    "embed": "embed {d}/adapter {d}/new.txt --out {d}/dataset",
    "align to pictures": "align -s tiny-text -t tiny-clip --texts {d}/new.txt --out {d}/seeing",
    "evaluate": "evaluate {d}/seeing -b {d}/photos --keep --report {d}/report.html "
    "--report {d}/report.json",
    "export": "export {d}/adapter --to numpy --out {d}/exported",
    "index": "index tiny-clip {d}/photos --out {d}/index",
}
ALWAYS_REFUSED = 64
"""Bytes; less than any of these files has."""


def run(folder: Path, command: str, limit: int | None = None) -> int:
    """The exit code of a command that may write ``limit`` bytes into a file, in this process."""
    from m2m_cli.main import run as m2m

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        m2m(command.format(d=folder).split())
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    raise AssertionError("m2m ends with an exit code")


def content(folder: Path) -> dict[str, str]:
    """Digest of every file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters, texts, pictures, and something of the user's in every place."""
    folder = tmp_path_factory.mktemp("full")
    texts = list(toy_sentences(400))
    (folder / "old.txt").write_text("\n".join(texts[:200]))
    (folder / "new.txt").write_text("\n".join(texts))
    rows = ["item,language,caption"]
    for number in range(12):
        save_picture(folder / "photos" / f"{number}.png", texts[number])
        rows.append(f"{number}.png,en,{texts[number]}")
    (folder / "photos" / "captions.csv").write_text("\n".join(rows))
    for name in ("align", "align to pictures"):
        assert run(folder, COMMANDS[name].replace("new.txt", "old.txt")) == 0
    for place in ("adapter", "seeing"):
        (folder / place / "thesis.txt").write_text("mine")
    return folder


@pytest.mark.parametrize("limit", [64, 6_000, 20_000])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_leaves_everything_intact(
    name: str, limit: int, before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(before, folder)
    was = content(folder)
    code = run(folder, COMMANDS[name], limit)
    stderr = capsys.readouterr().err
    assert "Traceback" not in stderr, stderr
    if code == 0:
        assert limit > 64
        return
    last = stderr.strip().splitlines()[-1]
    assert code in (1, 2) and last.startswith("m2m: ") and "free some space" in last, stderr
    now = content(folder)
    assert {path: now.get(path) for path in was} == was
    # A dataset and an index keep what was finished and go on from there.
    left = {Path(path).parts[0] for path in set(now) - set(was)}
    assert left <= {"dataset", "index"} & {COMMANDS[name].rpartition("/")[2]}
