"""Fifty kinds of bad input: one line, exit code 2, no traceback."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m

ALIGN = "align -s toy-source -t toy-target --texts {d}/good.txt --out {d}/out"

# command, and a word that the line must hold. {d} is a folder with the files made below.
BAD = [
    ("align", "'--source', '--target'"),
    ("align --pairs a.npy b.npy", "--out"),
    ("align --sorce x", "--sorce"),
    ("allign", "allign"),
    ("align -s nobody -t toy-target --texts {d}/good.txt --out {d}/out", "nobody"),
    ("align -s toy-sourc -t toy-target --texts {d}/good.txt --out {d}/out", "toy-source"),
    ("align -s toy-source -t toy-targt --texts {d}/good.txt --out {d}/out", "toy-target"),
    ("align -s toy-target -t toy-target --texts {d}/good.txt --out {d}/out", "toy-target"),
    ("align -s nope:x -t toy-target --texts {d}/good.txt --out {d}/out", "nope:x"),
    (
        "align -s toy-source+ -t toy-target --texts {d}/good.txt --out {d}/out",
        "has a '+' without a source",
    ),
    ("align -s x*toy-source+toy-source -t toy-target --texts {d}/good.txt --out {d}/out", "weight"),
    ("align -s 0*toy-source+toy-source -t toy-target --texts {d}/good.txt --out {d}/out", "weight"),
    ("align -s toy-source -t toy-target --texts {d}/absent.txt --out {d}/out", "absent.txt"),
    ("align -s toy-source -t toy-target --texts {d}/few.txt --out {d}/out", "too few"),
    ("align -s toy-source -t toy-target --texts {d}/empty.txt --out {d}/out", "no sentence"),
    ("align -s toy-source -t toy-target --texts {d}/latin1.txt --out {d}/out", "line 2"),
    ("align -s toy-source -t toy-target --texts {d}/binary.bin --out {d}/out", "binary"),
    ("align -s toy-source -t toy-target --texts {d}/utf16.txt --out {d}/out", "UTF-16"),
    ("align -s toy-source -t toy-target --texts {d}/cut.txt.gz --out {d}/out", "gzip"),
    ("align -s toy-source -t toy-target --texts {d}/bad.jsonl --out {d}/out", "line 2"),
    ("align -s toy-source -t toy-target --texts {d}/two.csv --out {d}/out", "--column"),
    ("align -s toy-source -t toy-target --texts {d}/bad.parquet --out {d}/out", "parquet"),
    ("align -s toy-source -t toy-target --texts {d}/nothing --out {d}/out", "no text file"),
    ("align -s toy-source -t toy-target --texts {d}/*.nope --out {d}/out", "no file matches"),
    (ALIGN + " --column caption", "no column"),
    (ALIGN + " --max-sentences 0", "at least 1"),
    (ALIGN + " --max-sentences few", "max-sentences"),
    (ALIGN + " --recipe papr", "paper"),
    (ALIGN + " --loss 48mse", "48mse"),
    (ALIGN + " --loss mze", "mse"),
    (ALIGN + " --layers 0", "layers"),
    (ALIGN + " --layers 1000", "more than a projector may have"),
    (ALIGN + " --layers 2 --hidden 3", "narrower"),
    (ALIGN + " --head top", "head"),
    (ALIGN + " --activation sine", "activation"),
    (ALIGN + " --layers 2 --activation relu", "closed form"),
    (ALIGN + " --ridge=-1", "ridge"),
    (ALIGN + " --ridge 1e300", "ridge must be from 0"),
    (ALIGN + " --seed=-1", "--seed"),
    (ALIGN + " --loss +", "cannot read the loss"),
    (ALIGN + " --loss 1e300*structure", "not finite"),
    (ALIGN + " --recipe paper --epochs 1 --lr 1e30", "lower --lr"),
    (ALIGN + " --lr 0", "lr"),
    (ALIGN + " --grid weight_decay=-1", "weight_decay must be zero or more"),
    (ALIGN + " --grid ridge=0.01 --grid ridge=0.1", "ridge=0.01,0.1"),
    (ALIGN + " --recipe paper --hidden 1000000 --layers 3", "fewer or narrower layers"),
    ("cache prune --cache {d}/nothing --max-size inf", "'inf' is not a size"),
    ("cache prune --cache {d}/nothing --max-size=-1", "'-1' is not a size"),
    ("cache prune --cache {d}/nothing --older-than nan", "--older-than"),
    ("evaluate {d}/adapter -b {d}/bytes.jsonl", "row 1: the item's bytes are str"),
    ("evaluate {d}/adapter -b {d}/surrogate.jsonl", "lone surrogate"),
    ("evaluate {d}/adapter -b {d}/latin1.parquet", "not a readable parquet file"),
    ("generate {d}/adapter hi --option seed=1 --out {d}/x", "use --seed"),
    (ALIGN + " --epochs=-3", "epochs"),
    ("align -s toy-source -t toy-target --texts {d}/good.txt --out {d}/good.txt", "is a file"),
    (
        "align -s toy-source -t toy-target --texts {d}/good.txt --out {d}",
        "files that m2m did not write",
    ),
    ("align -s toy-source -t toy-target --texts {d}/good.txt --out {d}/good.txt/x", "good.txt"),
    ("encode", "encoder"),
    ("encode {d}/absent hello", "absent"),
    ("encode {d}/nothing hello", "adapter.json"),
    ("encode {d}/adapter hello --out {d}/x.pkl", ".pkl"),
    ("encode {d}/adapter hello --file {d}/good.txt", "twice"),
    ("encode toy-source --items hello", "texts only"),
    ("encode {d}/broken hello", "JSON"),
    ("encode {d}/future hello", "format 99"),
    ("encode {d}/swapped hello", "digest"),
    ("embed toy-source {d}/void.txt --out {d}/vectors --no-cache", "no row"),
    ("list --sorces", "--sorces"),
    ("new-plugin Bad_Name", "Bad_Name"),
    ("new-plugin fine --out {d}/nothing/../good.txt", "exists"),
    ("plugins extra", "extra"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    d = tmp_path_factory.mktemp("bad")
    sentences = [f"a small dog number {i} barks" for i in range(60)]
    (d / "good.txt").write_text("\n".join(sentences))
    (d / "few.txt").write_text("one\ntwo\n")
    (d / "empty.txt").write_text("\n\n")
    (d / "void.txt").write_text("")
    (d / "latin1.txt").write_bytes("fine\ncafé\n".encode("latin-1"))
    (d / "binary.bin").write_bytes(bytes(range(32)) * 9)
    (d / "utf16.txt").write_bytes("hello".encode("utf-16"))
    (d / "cut.txt.gz").write_bytes(gzip.compress(b"hello world " * 50)[:-20])
    (d / "bad.jsonl").write_text('"fine"\n{oops\n')
    (d / "two.csv").write_text("id,lang\n1,de\n")
    (d / "bad.parquet").write_bytes(b"PAR1nothing")
    row = {"item": {"bytes": "s"}, "language": "en", "caption": "x"}
    (d / "bytes.jsonl").write_text(json.dumps(row))
    (d / "surrogate.jsonl").write_text(json.dumps({**row, "item": "a.png", "caption": "\ud800"}))
    import pyarrow as pa
    import pyarrow.parquet as pq

    cells = pa.array([b"caf\xe9"]).view(pa.string())
    pq.write_table(pa.table({"item": ["a.png"], "caption": cells}), d / "latin1.parquet")
    (d / "nothing").mkdir()
    m2m.align("toy-source", "toy-target", sentences, recipe="closed-form",
              progress=False).save(d / "adapter")  # fmt: skip
    for name in ("broken", "future", "swapped"):
        shutil.copytree(d / "adapter", d / name)
    (d / "broken" / "adapter.json").write_text("{")
    record = json.loads((d / "future" / "adapter.json").read_text())
    (d / "future" / "adapter.json").write_text(json.dumps({**record, "format": 99}))
    (d / "swapped" / "adapter.safetensors").write_bytes(b"\0" * 64)
    return d


def test_there_are_fifty() -> None:
    assert len(BAD) >= 50
    assert len({command for command, _ in BAD}) == len(BAD)


@pytest.mark.parametrize(("command", "word"), BAD, ids=[c for c, _ in BAD])
def test_one_line_and_exit_code_two(
    command: str, word: str, folder: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """In this process, through the same `run` the script calls: fifty starts would take minutes."""
    import io
    import sys

    from m2m_cli.main import run

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    before = sorted(folder.rglob("*"))
    with pytest.raises(SystemExit) as exit_:
        run([part.format(d=folder) for part in command.split()])
    told = capfd.readouterr().err.strip()
    assert exit_.value.code == 2, told
    assert len(told.splitlines()) == 1, told
    assert told.startswith("m2m: ") and word in told
    assert "Traceback" not in told
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize("command", ["encode nobody hello", "align", "list --nope"])
def test_the_script_itself(command: str) -> None:
    done = run_m2m(*command.split())
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and "Traceback" not in done.stderr


def test_json_errors_are_json() -> None:
    done = run_m2m("encode", "nobody", "hello", "--json")
    assert done.returncode == 2
    assert set(json.loads(done.stdout)) == {"error", "remedy"}


LONG = "a" * 300
COMMANDS = [
    f"encode {LONG} hi", "encode ~nosuchuser/x hi",
    "align -s toy-source -t toy-target --texts ~nosuchuser/x --out {t}/o",
    f"align -s toy-source -t toy-target --texts {LONG} --out {{t}}/o",
    f"embed toy-source {LONG} --out {{t}}/x", f"embed toy-source toy-sentences --out {{t}}/{LONG}",
    f"evaluate {LONG} -b tiny-scenes", f"export {LONG} --to numpy --out {{t}}/x",
    f"push {LONG} a/b", f"pull a/{LONG} --out {{t}}/x",
    f"import {LONG} -s toy-source -t toy-target --out {{t}}/x",
    f"generate {LONG} hi --out {{t}}/x", f"cache ls --cache {{t}}/{LONG}",
    "fetch xtd10 --out ~nosuchuser/x", f"new-plugin abc --out {{t}}/{LONG}",
    "encode toy-source hi --out {t}/file/a.npy", f"encode toy-source --file {LONG}",
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=[c[:40] for c in COMMANDS])
def test_paths_the_system_refuses_are_one_line(
    command: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from m2m_cli.main import run

    (tmp_path / "file").write_text("x")
    with pytest.raises(SystemExit) as exit_:
        run([part.format(t=tmp_path) for part in command.split()])
    lines = capfd.readouterr().err.strip().splitlines()
    assert exit_.value.code == 2, lines
    assert lines[-1].startswith("m2m: ") and not any("Traceback" in line for line in lines)


@pytest.mark.parametrize("variables", [{"WORLD_SIZE": "abc", "RANK": "0"},
                                       {"WORLD_SIZE": "2", "RANK": "x"}])  # fmt: skip
def test_what_a_launcher_sets_must_be_numbers(variables: dict[str, str], tmp_path: Path) -> None:
    done = run_m2m(*f"align -s toy-source -t toy-target --texts toy-sentences --out {tmp_path}/a"
                   .split(), **variables)  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "the environment variable" in done.stderr and "torchrun" in done.stderr


def test_debug_shows_the_traceback() -> None:
    for command, environment in (
        ("encode nobody hello --debug", {}),
        ("--debug encode nobody hello", {}),
        ("encode nobody hello", {"M2M_DEBUG": "1"}),
    ):
        done = run_m2m(*command.split(), **environment)
        assert done.returncode == 2 and "Traceback" in done.stderr
        assert done.stderr.strip().splitlines()[-1].startswith("m2m: no ")


def test_control_characters_do_not_reach_the_terminal() -> None:
    done = run_m2m("encode", "\x1b]0;title\x07\x1b[31mred\u202e", "hello")
    assert done.returncode == 2 and r"\x1b]0;title\x07\x1b[31mred\u202e" in done.stderr
    assert "\x1b" not in done.stderr and "\u202e" not in done.stderr


def test_arguments_of_another_encoding_are_one_line() -> None:
    done = run_m2m("encode", "toy-source", os.fsdecode(b"caf\xe9"))
    assert done.returncode == 2 and "not valid UTF-8" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["list --sources", "doctor", "encode toy-source hi",
                                     "cache path", "fetch"])  # fmt: skip
def test_without_a_home_folder_or_an_account(command: str, tmp_path: Path) -> None:
    pytest.importorskip("pwd")
    code = (
        "import pwd, sys\n"
        "def nobody(number): raise KeyError('uid not found')\n"
        "pwd.getpwuid = nobody\n"
        f"from m2m_cli.main import run; run({command.split()!r})"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("HOME", "M2M_CACHE")
                   and not k.startswith("XDG_")}  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**environment, "TMPDIR": str(tmp_path)})  # fmt: skip
    assert "Traceback" not in done.stderr and done.returncode in (0, 1), done.stderr


def test_a_defect_of_ours_keeps_its_traceback(tmp_path: Path) -> None:
    from test_plugins import GOOD

    code = GOOD.format(name="bug", module="bug").replace("import numpy as np", "1 / 0")
    from fake_dist import fake_dist

    fake_dist(tmp_path, "bug", code)
    done = run_m2m("encode", "bug", "hello", paths=(tmp_path,))
    assert done.returncode == 1 and "ZeroDivisionError" in done.stderr
