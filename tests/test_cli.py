"""The command line from the outside: commands, formats, JSON, interruption."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_dist import fake_dist, run_m2m

ALIGN = ["align", "-s", "toy-source", "-t", "toy-target", "--texts", "toy-sentences",
         "--max-sentences", "400", "--recipe", "closed-form"]  # fmt: skip


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "adapter"
    done = run_m2m(*ALIGN, "--out", str(out))
    assert done.returncode == 0, done.stderr
    for word in (
        "held-out loss",
        "held-out top-1",
        "deviation from orthogonal",
        "parameters",
        "time to",
    ):
        assert word in done.stdout
    return out


def test_align_json(tmp_path: Path) -> None:
    done = run_m2m(*ALIGN, "--out", str(tmp_path / "a"), "--json")
    told = json.loads(done.stdout)
    assert told["corpus"]["sentences"] == 400 and told["held_out"]["top1"] > 0.9
    assert set(told["seconds"]) >= {"read", "solve"}


@pytest.mark.parametrize("suffix", [".npy", ".safetensors", ".parquet", ".jsonl"])
def test_encode_formats(adapter: Path, tmp_path: Path, suffix: str) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("a dog barks\nein Hund bellt\na dog barks\n")
    out = tmp_path / f"v{suffix}"
    done = run_m2m("encode", str(adapter), "--file", str(texts), "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"out": str(out), "rows": 3, "dim": 48}
    if suffix == ".npy":
        rows = np.load(out, allow_pickle=False)
    elif suffix == ".safetensors":
        from safetensors.numpy import load_file

        rows = load_file(out)["vectors"]
    elif suffix == ".parquet":
        pq = pytest.importorskip("pyarrow.parquet")
        rows = np.array(pq.read_table(out)["vector"].to_pylist(), np.float32)
    else:
        lines = [json.loads(line) for line in out.read_text().splitlines()]
        assert lines[1]["text"] == "ein Hund bellt"
        rows = np.array([line["vector"] for line in lines], np.float32)
    assert rows.shape == (3, 48)
    np.testing.assert_array_equal(rows[0], rows[2])


def test_encode_through_pipes(adapter: Path) -> None:
    done = run_m2m("encode", str(adapter), stdin="a dog\n犬\n")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["text"] for row in rows] == ["a dog", "犬"]
    direct = run_m2m("encode", str(adapter), "a dog")
    assert json.loads(direct.stdout)["vector"] == pytest.approx(rows[0]["vector"], abs=1e-6)


def test_encode_with_sources_targets_and_items(adapter: Path) -> None:
    for name, width in (("toy-source", 64), ("toy-target", 48), (str(adapter), 48)):
        done = run_m2m("encode", name, "a dog")
        assert len(json.loads(done.stdout)["vector"]) == width
    done = run_m2m("encode", str(adapter), "--items", "dog", "cat")
    assert [json.loads(line)["item"] for line in done.stdout.splitlines()] == ["dog", "cat"]


def test_encode_json_is_one_value(adapter: Path) -> None:
    done = run_m2m("encode", str(adapter), "hallo", "welt", "--json")
    assert [row["text"] for row in json.loads(done.stdout)] == ["hallo", "welt"]


def test_texts_from_stdin(tmp_path: Path) -> None:
    lines = "\n".join(f"a small dog number {i} barks" for i in range(60))
    done = run_m2m("align", "-s", "toy-source", "-t", "toy-target", "--texts", "-", "--out",
                   str(tmp_path / "a"), "--json", "--recipe", "closed-form", stdin=lines)  # fmt: skip
    assert json.loads(done.stdout)["corpus"]["sentences"] == 60


def test_list_plugins_doctor_version() -> None:
    assert run_m2m("--version").stdout.startswith("m2m-adapters ")
    listed = json.loads(run_m2m("list", "--json").stdout)
    assert {"sources", "targets", "corpora", "benchmarks", "adapters", "losses"} == set(listed)
    assert "mpnet" in run_m2m("list", "--sources").stdout
    assert "structure" in run_m2m("list", "--losses").stdout
    findings = json.loads(run_m2m("doctor", "--json").stdout)
    assert {"python", "torch", "registry"} <= {finding["what"] for finding in findings}
    sick = run_m2m("doctor", M2M_REGISTRY=str(Path(__file__)))
    assert sick.returncode == 1


def test_list_hides_no_name_and_says_what_a_target_can_do() -> None:
    listed = json.loads(run_m2m("list", "--json").stdout)
    targets = {row["name"]: row for row in listed["targets"]}
    for name in ("clip", "siglip", "clap", "flux", "sd3", "clap:MODEL"):
        assert name in targets
    assert targets["clap"]["abilities"] == "encode items"
    assert targets["flux"]["abilities"] == targets["tiny-flux"]["abilities"] == "generate"
    shown = run_m2m("list", "--targets").stdout
    assert "\nclap " in shown and "\nclap:MODEL " in shown
    adapters = run_m2m("list", "--adapters").stdout
    assert "m2m-mpnet-clap" in adapters and "https://" not in adapters
    assert "768 -> 512" in adapters


def test_every_listed_corpus_works_or_says_how_to_get_it(tmp_path: Path) -> None:
    listed = json.loads(run_m2m("list", "--corpora", "--json").stdout)["corpora"]
    fetched = {row["name"] for row in json.loads(run_m2m("fetch", "--json").stdout)}
    assert {"coco-captions", "flickr30k-captions"} <= {row["name"] for row in listed}
    for row in listed:
        if row["needs"] is None:
            continue
        assert row["name"] in fetched
        done = run_m2m("align", "-s", "toy-source", "-t", "toy-target", "--texts", row["name"],
                       "--out", str(tmp_path / "a"), M2M_DATA=str(tmp_path))  # fmt: skip
        assert done.returncode == 2
        assert f"m2m fetch {row['name']}" in done.stderr and "--fetch" in done.stderr


def test_a_fetched_corpus_is_used_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "audiocaps-captions").mkdir()
    rows = [f"{i},a small dog number {i} barks" for i in range(60)]
    text = "\n".join(["audiocap_id,caption", *rows])
    (tmp_path / "audiocaps-captions" / "train.csv").write_text(text)
    done = run_m2m("align", "-s", "toy-source", "-t", "toy-target", "--texts", "audiocaps-captions",
                   "--recipe", "closed-form", "--out", str(tmp_path / "a"), "--json",
                   M2M_DATA=str(tmp_path))  # fmt: skip
    assert done.returncode == 0, done.stderr
    corpus = json.loads(done.stdout)["corpus"]
    assert corpus["sentences"] == 60
    assert corpus["origins"] == [{"kind": "name", "name": "audiocaps-captions"}]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell: str) -> None:
    # Else typer asks what shell the tests run in, which may be none it knows (make's sh).
    shown = run_m2m("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    done = subprocess.run(
        [sys.executable, "-m", "m2m_cli.main"], capture_output=True, text=True,
        env={**os.environ, "_M2M_COMPLETE": f"complete_{shell}", "COMP_WORDS": "m2m al",
             "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "m2m al", "_TYPER_COMPLETE_WORD_TO_COMPLETE":
             "al", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    )  # fmt: skip
    assert shown.returncode == 0 and "_M2M_COMPLETE" in shown.stdout
    assert "align" in done.stdout


def test_a_reader_that_goes_away_is_no_drama() -> None:
    command = f"{sys.executable} -m m2m_cli.main list --json | head -c 5"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


INTERRUPTED = """
import os, signal
import m2m_adapters as m2m
from m2m_adapters.testing.toys import ToySource

# A shell's background processes ignore it, and what they start does too.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupted(ToySource):
    calls = 0
    def encode(self, texts, **options):
        Interrupted.calls += 1
        if Interrupted.calls == {call}:  # as Ctrl-C does, in the worst place
            exec("os.kill(os.getpid(), signal.SIGINT)")
        return super().encode(texts, **options)

@m2m.hookimpl
def m2m_register(register):
    register.source("interrupted", "interrupted:Interrupted", description="gets Ctrl-C")
"""


def interrupted_align(folder: Path, call: int) -> subprocess.CompletedProcess[str]:
    fake_dist(folder / "plugin", "interrupted", INTERRUPTED.format(call=call))
    return run_m2m(
        "align", "-s", "interrupted", "-t", "toy-target", "--texts", "toy-sentences",
        "--max-sentences", "20000", "--recipe", "closed-form", "--all",
        "--out", str(folder / "out" / "adapter"), paths=(folder / "plugin",),
    )  # fmt: skip


def test_ctrl_c_while_encoding_delivers_the_best_adapter_so_far(tmp_path: Path) -> None:
    import m2m_adapters as m2m

    done = interrupted_align(tmp_path, call=5)
    assert done.returncode == 130 and "Traceback" not in done.stderr, done.stderr
    assert "stopped by Ctrl-C" in done.stderr and "holds the adapter" in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["adapter"]
    told = m2m.load_adapter(tmp_path / "out" / "adapter").record.corpus
    assert told.stopped == "interrupted by the user" and 2000 < told.used < 10_000


NEVER = """
import m2m_adapters as m2m

def never(**options):
    raise SystemExit("a model was loaded")

@m2m.hookimpl
def m2m_register(register):
    register.source("never", "never:never")
"""


@pytest.mark.parametrize(("options", "word"), [
    (["-t", "clipb32"], "clip-b32"), (["-t", "toy-target", "--loss", "mse + foo"], "foo"),
    (["-t", "toy-target", "--texts", "missing.txt"], "missing.txt"),
    (["-s", "never+nobody", "-t", "toy-target"], "nobody"),
])  # fmt: skip
def test_names_and_options_are_checked_before_a_model_is_loaded(
    tmp_path: Path, options: list[str], word: str
) -> None:
    fake_dist(tmp_path, "never", NEVER)
    done = run_m2m("align", "-s", "never", "--texts", "toy-sentences", "--out",
                   str(tmp_path / "a"), *options, paths=(tmp_path,), cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2 and word in done.stderr and "loaded" not in done.stderr


def test_ctrl_c_before_there_is_anything_leaves_nothing(tmp_path: Path) -> None:
    done = interrupted_align(tmp_path, call=1)
    assert done.returncode == 130 and done.stderr == "m2m: stopped; nothing was left half-written\n"
    assert not list(tmp_path.glob("out/*"))


def test_every_command_has_json_and_an_example() -> None:
    from typing import Any

    import typer
    from m2m_cli.commands import COMMANDS
    from m2m_cli.main import app

    group: Any = typer.main.get_command(app)

    def leaves(name: str, command: Any) -> Any:
        if not hasattr(command, "commands"):
            yield name, command
            return
        for inner, sub in command.commands.items():
            yield from leaves(f"{name} {inner}", sub)

    for name in COMMANDS:
        for full, command in leaves(name, group.get_command(None, name)):
            options = {option for parameter in command.params for option in parameter.opts}
            assert "--json" in options, full
            assert f"m2m {full}" in (command.help or ""), f"{full} --help shows no example"


def test_help_shows_brackets_and_has_no_markup_but_dim() -> None:
    """``[serve]`` is markup to rich, which drops it unless it is escaped."""
    import re
    from typing import Any

    import typer
    from m2m_cli.commands import COMMANDS
    from m2m_cli.main import app
    from rich.text import Text

    group: Any = typer.main.get_command(app)
    for name in COMMANDS:
        command = group.get_command(None, name)
        for each in (command, *getattr(command, "commands", {}).values()):
            for help_ in (each.help, *(getattr(one, "help", None) for one in each.params)):
                written = re.sub(r"\[/?dim\]", "", help_ or "").replace("\\[", "[")
                assert Text.from_markup(help_ or "").plain == written, name


def test_the_list_of_commands_imports_none_of_them() -> None:
    from m2m_cli.commands import COMMANDS

    modules = sorted({f"m2m_cli.{entry.module}" for entry in COMMANDS.values()})
    code = (
        "import sys, m2m_cli.main as m\n"
        "try: m.run(['--help'])\n"
        f"except SystemExit: print('LOADED', [n for n in {modules!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().endswith("LOADED []"), done.stdout[-300:] + done.stderr[-300:]


def test_summaries_are_the_first_lines_of_help() -> None:
    from typing import Any

    import typer
    from m2m_cli.commands import COMMANDS
    from m2m_cli.main import app

    group: Any = typer.main.get_command(app)
    for name, entry in COMMANDS.items():
        first = " ".join(group.get_command(None, name).help.split("\n\n")[0].split())
        assert entry.summary == first, name


def test_cache_path_json(tmp_path: Path) -> None:
    done = run_m2m("cache", "path", "--json", "--cache", str(tmp_path))
    assert json.loads(done.stdout) == {"path": str(tmp_path)}


def test_tables_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from m2m_cli.output import table

    rows = [["a-name-to-copy", "a long note " * 10, 3.14159], ["b", None, 7.0]]
    for line in table(rows, ["name", "note", "figure"], width=60).splitlines():
        assert len(line) <= 60
    wide = table(rows, ["name", "note", "figure"]).splitlines()
    assert len(wide) == 4 and "a-name-to-copy" in wide[2] and wide[2].endswith("3.142")
    assert "\x1b" not in table([["\x1b[31mred", "[bold]x[/bold]"]], ["a", "b"])
    assert "[bold]x[/bold]" in table([["\x1b[31mred", "[bold]x[/bold]"]], ["a", "b"])


@pytest.mark.parametrize(("users", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_the_user_says_otherwise(
    users: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2m_cli import main

    monkeypatch.setenv("OMP_WAIT_POLICY", users or "")
    if users is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    with pytest.raises(SystemExit):
        main.run(["--version"])
    assert os.environ["OMP_WAIT_POLICY"] == expected
