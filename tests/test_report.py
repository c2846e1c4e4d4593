"""Reports of an evaluation: page, tables, card; the page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.evaluation import Benchmark, Evaluation, evaluate
from m2m_adapters.evaluation.systems import beside
from m2m_adapters.report.evaluation_page import write_report
from m2m_adapters.report.tables import latex, markdown
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
               None)  # fmt: skip
SENTENCES = list(toy_sentences(900))


@pytest.fixture(scope="module")
def found() -> Evaluation:
    target = AffineTarget(64)
    adapter = m2m.align(ToySource(64), target, SENTENCES[:600], progress=False)
    other = m2m.align(ToySource(64), target, SENTENCES[:64], progress=False, recipe="closed-form")
    items = SENTENCES[600:700]
    captions = {
        "en": items,
        "ar": [f"{text} <b>&" for text in items],
        "de_DE": [text.upper() for text in items],
    }
    bench = Benchmark("toy <bench>_1", target.modality, items, captions)
    return evaluate(
        adapter, bench, baselines=["native", "unaligned", "procrustes", "ridge"],
        others=[beside(adapter, other, "64 sentences")], corrections=["centred", "csls"],
        texts=SENTENCES[:600],
    )  # fmt: skip


def test_every_form_holds_every_language_and_system(found: Evaluation, tmp_path: Path) -> None:
    for suffix in (".html", ".json", ".md", ".tex"):
        write_report(found, tmp_path / f"r{suffix}")
        text = (tmp_path / f"r{suffix}").read_text(encoding="utf-8")
        for word in ("procrustes", "64 sentences", "centred"):
            assert word in text, (suffix, word)
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert set(told["systems"]["adapter"]["languages"]) == {"en", "ar", "de"}
    value = told["systems"]["adapter"]["languages"]["ar"]["text_to_item"]["R@10"][0]
    assert f"| {value:.1f} [" in markdown(found)
    assert value == found.value("adapter", "ar")


def test_nothing_of_a_benchmark_is_markup(found: Evaluation, tmp_path: Path) -> None:
    write_report(found, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<b>&" not in page and "<bench>" not in page
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)
    table = latex(found)
    assert r"\_1" in table and table.count(r"\\") == 1 + len(markdown(found).splitlines()) - 4


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_the_page_in_a_browser(found: Evaluation, tmp_path: Path) -> None:
    write_report(found, tmp_path / "r.html")
    done = subprocess.run(
        [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-sync", "--disable-component-update",
         f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr", "--dump-dom",
         f"file://{tmp_path / 'r.html'}"],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.stdout.count("<svg") >= 2 and done.stdout.count('class="query"') == 12
    assert done.stdout.count(' dir="') == 12
    assert "CONSOLE" not in done.stderr, done.stderr[-1500:]


def test_from_the_shell_into_the_card(tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(SENTENCES[:300]))
    rows = [{"item": text, "language": code, "caption": text} for text in SENTENCES[300:330]
            for code in ("en", "de")]  # fmt: skip
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made = run_m2m("align", "-s", "toy-source", "-t", "toy-target", "--texts",
                   str(tmp_path / "texts.txt"), "--out", str(tmp_path / "a"))  # fmt: skip
    assert made.returncode == 0, made.stderr
    before = m2m.load_adapter(tmp_path / "a").digest
    command = ("evaluate", str(tmp_path / "a"), "-b", str(tmp_path / "captions.jsonl"),
               "--allow-missing", "--keep")  # fmt: skip
    bad = run_m2m(*command, "--report", str(tmp_path / "r.docx"))
    assert bad.returncode == 2 and ".html" in bad.stderr
    done = run_m2m(*command, "--report", str(tmp_path / "r.html"))
    if done.returncode == 2 and "modality" in done.stderr:
        pytest.skip("toy items are words, which a table of files does not hold")
    assert done.returncode == 0, done.stderr
    kept = m2m.load_adapter(tmp_path / "a")
    assert kept.digest == before and len(kept.record["evaluation"]) == 1
    assert "captions" in (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
