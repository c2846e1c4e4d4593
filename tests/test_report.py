"""Reports of an evaluation: page, tables, card; the page in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from browser import Opened, OpenPage, check_page
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.evaluation import Benchmark, Evaluation, System, evaluate
from m2m_adapters.evaluation.scored import worst_queries
from m2m_adapters.evaluation.systems import beside
from m2m_adapters.report.evaluation_page import write_report
from m2m_adapters.report.tables import latex, markdown
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

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
        others=[beside(adapter, other, "64 sentences")], corrections=["centered", "csls"],
        texts=SENTENCES[:600],
    )  # fmt: skip


def test_every_form_holds_every_language_and_system(found: Evaluation, tmp_path: Path) -> None:
    for suffix in (".html", ".json", ".md", ".tex"):
        write_report(found, tmp_path / f"r{suffix}")
        text = (tmp_path / f"r{suffix}").read_text(encoding="utf-8")
        for word in ("procrustes", "64 sentences", "centered"):
            assert word in text, (suffix, word)
    told = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert set(told["systems"]["adapter"]["languages"]) == {"en", "ar", "de"}
    value = told["systems"]["adapter"]["languages"]["ar"]["text_to_item"]["R@10"][0]
    assert f"| {value:.1f} [" in markdown(found)
    assert value == found.value("adapter", "ar")


def own_table(found: Evaluation) -> list[str]:
    """Lines of the Markdown table of languages, without the tables after it."""
    return markdown(found).split("\n## ")[0].splitlines()


def test_nothing_of_a_benchmark_is_markup(found: Evaluation, tmp_path: Path) -> None:
    write_report(found, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "<b>&" not in page and "<bench>" not in page
    assert not re.findall(r"(?:src|href)=[\"'](?!data:)", page)
    table = latex(found)
    assert r"\_1" in table and table.count(r"\\") == 1 + len(own_table(found)) - 4


def test_the_page_in_a_browser(found: Evaluation, tmp_path: Path, open_page: OpenPage) -> None:
    write_report(found, tmp_path / "r.html")
    check_page(open_page, tmp_path / "r.html")
    seen = open_page(tmp_path / "r.html")
    assert seen.ask("document.querySelectorAll('svg').length") >= 2
    assert seen.ask("document.querySelector('[lang=ar]')") is None  # no query of it is missed


def column(seen: Opened, table: int, place: int) -> list[str]:
    return list(seen.ask(
        f"[...document.querySelectorAll('table')[{table}].tBodies[0].rows]"
        f".map(row => row.cells[{place}].textContent)"
    ))  # fmt: skip


def test_tables_sort(found: Evaluation, tmp_path: Path, open_page: OpenPage) -> None:
    write_report(found, tmp_path / "r.html")
    seen = open_page(tmp_path / "r.html")
    rows = column(seen, 0, 0)
    assert rows[0] == "English" and rows[-2:] == ["all languages", "without English"]
    seen.page.click("table.sorts th:first-child")
    down = column(seen, 0, 0)
    seen.page.click("table.sorts th:first-child")
    up = column(seen, 0, 0)
    assert {tuple(down[:3]), tuple(up[:3])} == {
        ("Arabic", "English", "German"), ("German", "English", "Arabic")}  # fmt: skip
    assert down[3:] == up[3:] == rows[-2:]
    seen.page.focus("table.sorts th:nth-child(2)")
    seen.page.keyboard.press("Enter")
    values = [float(value) for value in column(seen, 0, 1)[:3]]
    assert values == sorted(values, reverse=True)


ATTACK = '"><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">'


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    """A benchmark whose every name and text tries to be markup, with misses and gaps."""
    items = SENTENCES[600:640]
    captions = {
        "en": [f"{text} {ATTACK}" for text in items],
        f"xx{ATTACK}": [f"{ATTACK} {number}" for number in range(40)],
        "ar": list(reversed(items)),
    }
    bench = Benchmark(
        f"bench{ATTACK}[x](javascript:alert(1))|`", "words", items, captions,
        names=[f"{number}{ATTACK}" for number in range(40)],
        missing=[f"gone{ATTACK}"], unreadable={f"bad{ATTACK}": f"broken{ATTACK}"},
        license=ATTACK, notes=ATTACK,
    )  # fmt: skip
    adapter = m2m.align(ToySource(64), AffineTarget(64), SENTENCES[:300], progress=False)
    return evaluate(
        adapter, bench, others=[System(f"rival{ATTACK}", ATTACK, adapter.encode)], trust=True
    )


def test_a_hostile_benchmark_runs_no_script(
    hostile: Evaluation, tmp_path: Path, open_page: OpenPage
) -> None:
    write_report(hostile, tmp_path / "r.html")
    check_page(open_page, tmp_path / "r.html")
    # Without the page's policy against foreign scripts: the text itself must be harmless.
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Content-Security-Policy" in text
    (tmp_path / "bare.html").write_text(
        re.sub(r"<meta http-equiv=.*?>(?=<meta)", "", text), encoding="utf-8"
    )
    for name in ("r.html", "bare.html"):
        seen = open_page(tmp_path / name)
        assert seen.ask("window.hacked") is None and seen.complaints == []
        assert seen.ask("document.scripts.length") == 1 and seen.ask("document.images.length") == 0
        assert seen.ask("document.querySelectorAll('svg').length") >= 2


def test_the_policy_stops_what_escaping_would_miss(
    hostile: Evaluation, tmp_path: Path, open_page: OpenPage
) -> None:
    write_report(hostile, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    (tmp_path / "r.html").write_text(text.replace("</h1>", f"</h1>{ATTACK}"), encoding="utf-8")
    seen = open_page(tmp_path / "r.html")
    assert seen.ask("window.hacked") is None and seen.complaints


def test_markdown_holds_no_markup_of_a_benchmark(hostile: Evaluation) -> None:
    text = markdown(hostile)
    assert "<" not in text and not re.search(r"(?<!\\)\]\(", text)
    lines = own_table(hostile)
    assert lines[1] == "" and len({line.replace(r"\|", "").count("|") for line in lines[2:]}) == 1


def test_a_miss_shows_the_right_item_and_its_rank(
    hostile: Evaluation, tmp_path: Path, open_page: OpenPage
) -> None:
    write_report(hostile, tmp_path / "r.html")
    seen = open_page(tmp_path / "r.html")
    misses = worst_queries(hostile["adapter"])
    assert len(misses) == 12 and min(rank for *_, rank in misses) > 1
    code, place, rank = misses[0]
    first = "document.querySelector('.query')"
    assert seen.ask(f"{first}.querySelectorAll('.right').length") == 1
    assert f"right item, rank {rank}" in seen.ask(f"{first}.querySelector('.right').textContent")
    own = int(hostile.benchmark.owners[code][place])
    assert hostile.benchmark.item_name(own) in seen.ask(f"{first}.textContent")
    # The frame stands around the words, not through them.
    assert seen.ask("""[...document.querySelectorAll('.right span')].every(span => {
        const text = span.getBoundingClientRect(), frame = span.parentNode.getBoundingClientRect();
        return text.height >= 16 && frame.top <= text.top && frame.bottom >= text.bottom; })""")
    left_out = seen.ask("document.body.textContent")
    assert "Left out: 2 items" in left_out and "2 more left out" in left_out


def test_no_miss_is_said_plainly(found: Evaluation, tmp_path: Path) -> None:
    assert worst_queries(found["adapter"]) == []
    write_report(found, tmp_path / "r.html")
    assert "every caption ranks its item first" in (tmp_path / "r.html").read_text("utf-8")


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
    assert kept.digest == before and len(kept.record.evaluation) == 1
    assert "captions" in (tmp_path / "a" / "README.md").read_text(encoding="utf-8")
