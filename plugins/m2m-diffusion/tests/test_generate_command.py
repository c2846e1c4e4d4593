"""``m2m generate`` on a real adapter and a real (small, random) pipeline."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.generation.files import Wanted, file_name, generate_files, records
from m2m_adapters.generation.writers import read_record
from m2m_adapters.report.contact_sheet import write_sheet
from m2m_adapters.testing.toys import toy_sentences

QUICK = ["--steps", "1", "--size", "16", "--device", "cpu"]


@pytest.fixture(scope="module")
def adapter_folder(tmp_path_factory):
    made = m2m.align(
        "toy-source", f"diffusion:{folder('flux-no-t5')}", list(toy_sentences(400)), recipe="closed-form",
        store=False, model_options={"device": "cpu"},
    )  # fmt: skip
    return made.save(tmp_path_factory.mktemp("adapters") / "toy-flux")


@pytest.fixture(scope="module")
def adapter(adapter_folder):
    return m2m.load_adapter(adapter_folder, device="cpu")


def run(arguments, capsys=None):
    from m2m_cli.main import run as m2m_run

    with pytest.raises(SystemExit) as left:
        m2m_run(["generate", *map(str, arguments)])
    return left.value.code, capsys.readouterr() if capsys else None


def pixels(path):
    return np.asarray(Image.open(path))


def test_pictures_records_and_a_sheet(adapter, adapter_folder, tmp_path, capsys):
    prompts = ["a red cube", "ein roter Würfel", "赤い立方体"]
    code, told = run(
        [adapter_folder, *prompts, "--out", tmp_path / "p", "--num-images", 2, "--seed", 5,
         "--grid", tmp_path / "sheet.html", "--json", *QUICK], capsys,
    )  # fmt: skip
    assert code == 0
    rows = json.loads(told.out)["pictures"]
    assert [(row["prompt"], row["seed"]) for row in rows] == [
        (p, s) for p in prompts for s in (5, 6)
    ]
    for row in rows:
        record = read_record(row["file"])
        assert record["prompt"] == row["prompt"] and record["adapter"] == adapter.digest
        assert record["steps"] == 1 and record["size"] == [16, 16] and record["seed"] == row["seed"]
        beside = row["file"].replace(".png", ".json")
        assert [json.loads(line) for line in open(beside, encoding="utf-8")] == [record]
    sheet = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert sheet.count("<img") == 6 and all(prompt in sheet for prompt in prompts)
    direct = adapter.generate(["ein roter Würfel"], steps=1, size=16, seed=6)[0]
    same, other = (
        np.abs(pixels(rows[n]["file"]).astype(int) - np.asarray(direct, int)).max() for n in (3, 2)
    )
    assert same <= 1 < other  # several at once round otherwise than one alone


def test_again_makes_nothing_and_changes_nothing(adapter_folder, tmp_path, capsys):
    command = [adapter_folder, "one", "two", "one", "--out", tmp_path, *QUICK, "--json"]
    _, first = run(command, capsys)
    before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()}
    _, second = run(command, capsys)
    assert json.loads(first.out)["made"] == 2 and json.loads(second.out)["made"] == 0
    assert before == {
        file: (file.stat().st_mtime_ns, file.read_bytes()) for file in tmp_path.iterdir()
    }
    _, other = run([*command, "--seed", 1], capsys)
    assert json.loads(other.out)["made"] == 2


def test_prompts_from_a_file_and_a_negative(adapter, adapter_folder, tmp_path, capsys):
    (tmp_path / "prompts.txt").write_text("uno\n\ndos\n", encoding="utf-8")
    code, _ = run([adapter_folder, "--file", tmp_path / "prompts.txt", "--out", tmp_path / "p",
                   "--negative", "tres", "--guidance", 3, *QUICK], capsys)  # fmt: skip
    assert code == 0
    made = sorted((tmp_path / "p").glob("*.png"))
    assert sorted(read_record(path)["prompt"] for path in made) == ["dos", "uno"]
    given = adapter.conditioning(["uno"], negative="tres")
    assert set(given) == {
        "prompt_embeds", "pooled_prompt_embeds", "negative_prompt_embeds", "negative_pooled_prompt_embeds"
    }  # fmt: skip
    assert np.allclose(given["pooled_prompt_embeds"].numpy(), adapter.encode(["uno"]))
    assert np.allclose(given["negative_pooled_prompt_embeds"].numpy(), adapter.encode(["tres"]))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["x", "--size", "huge"], "'huge' is not a size"),
        (["x", "--steps", "0"], "steps must be 1 or more"),
        (["x", "--option", "clip_skip=2"], "has no option 'clip_skip'"),
        (["x", "--option", "nonsense"], "not NAME=VALUE"),
        (["x", "--guidance", "nan"], "must be finite numbers"),
        (["x", "--option", "sigmas=[1.0, Infinity]"], "must be finite numbers"),
        (["x", "--seed", "99999999999999999999999"], "99999999999999999999999 is not a seed"),
        (["x", "--seed", "-1"], "-1 is not a seed"),
        (["x", "--grid", "sheet.pdf"], "cannot write a sheet"),
        ([" "], "prompt 1 is empty"),
        (["x", "--file", "nowhere.txt"], "given twice"),
        (["--file", "nowhere.txt"], "cannot be read"),
    ],
)
def test_mistakes_are_told_in_one_line(adapter_folder, tmp_path, capsys, arguments, told):
    code, said = run([adapter_folder, *arguments, "--out", tmp_path, "--device", "cpu"], capsys)
    assert code == 2 and told in said.err and "Traceback" not in said.err
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.glob("*.png"))


def test_killed_it_goes_on_and_makes_nothing_twice(adapter, adapter_folder, tmp_path):
    prompts = [f"prompt number {n}" for n in range(60)]
    (tmp_path / "prompts.txt").write_text("\n".join(prompts), encoding="utf-8")
    out = tmp_path / "p"
    command = [sys.executable, "-m", "m2m_cli.main", "generate", str(adapter_folder), "--file",
               str(tmp_path / "prompts.txt"), "--out", str(out), *QUICK]  # fmt: skip
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list(out.glob("*.png"))) < 20 and running.poll() is None:
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.wait()
    kept = {path: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert 20 <= len(kept) < 60
    for path in kept:
        Image.open(path).load()  # whole, whenever the kill came
    quick = Wanted(steps=1, size=(16, 16))
    made = generate_files(adapter, prompts, out, quick)
    assert sum(one.new for one in made) == 60 - len(kept)
    assert len(list(out.glob("*.png"))) == len(list(out.glob("*.json"))) == 60
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert not list(out.glob(".*"))
    undisturbed = generate_files(adapter, prompts, tmp_path / "whole", quick)
    assert all(one.path.read_bytes() == (out / one.path.name).read_bytes() for one in undisturbed)


def test_names_tell_apart_what_differs(adapter):
    names = {
        file_name(record)
        for prompt in ("a", "á", "!?", "a/b\\c", "x" * 500)
        for wanted in (Wanted(), Wanted(seed=1), Wanted(steps=2), Wanted(negative="a"))
        for record in records(adapter, prompt, wanted)
    }
    assert len(names) == 20
    assert all(len(name.encode()) < 120 and "/" not in name and "\\" not in name for name in names)


def test_a_sheet_as_a_picture_says_when_no_font_has_the_letters(tmp_path):
    grey = Image.new("RGB", (8, 8), "grey")
    write_sheet(tmp_path / "s.png", [("plain", grey), ("words", grey)])
    assert Image.open(tmp_path / "s.png").size[0] > 160
    with pytest.raises(UserError, match="no font on this machine"):
        write_sheet(tmp_path / "t.png", [("\U00016fe4\ue123", grey)])
    assert not (tmp_path / "t.png").exists()


def test_labels_of_a_sheet_are_broken_between_words():
    from m2m_adapters.report.contact_sheet import CELL, _fonts, _right_to_left, _two_lines

    font = _fonts()[0]
    words = "ein kleiner roter Kreis über einem großen blauen Dreieck und noch viel mehr"
    for label in (words, "a red circle above a blue square", "one", "Donaudampfschiff" * 9):
        lines = _two_lines(label, font)
        assert 1 <= len(lines) <= 2 and all(font.getlength(line) <= CELL for line in lines)
        shown = " ".join(lines).removesuffix("…").split()
        assert len(shown) < 3 or shown[:-1] == label.split()[: len(shown) - 1]
    assert _two_lines("a red circle above a square", font)[0].split() == [
        "a",
        "red",
        "circle",
        "above",
        "a",
    ]
    assert _right_to_left("دائرة حمراء") and _right_to_left("3 עיגול") and not _right_to_left("3 a")


def test_a_sheet_is_written_in_one_font(monkeypatch, tmp_path):
    from m2m_adapters.report import contact_sheet

    class Plain:
        """A font that lacks umlauts."""

    plain, full = Plain(), contact_sheet._fonts()[0]
    used = []
    monkeypatch.setattr(contact_sheet, "_fonts", lambda: [plain, full])
    monkeypatch.setattr(
        contact_sheet, "_covers", lambda font, label: font is full or label.isascii()
    )
    lines = contact_sheet._two_lines
    monkeypatch.setattr(
        contact_sheet,
        "_two_lines",
        lambda label, font, cell: used.append(font) or lines(label, full, cell),
    )
    grey = Image.new("RGB", (8, 8), "grey")
    write_sheet(tmp_path / "s.png", [("plain", grey), ("grün", grey)])
    assert used == [full, full]
