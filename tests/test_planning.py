"""Forecasts and recommendations: figures, intervals, left-out errors, parallel text, commands."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from fake_dist import run_m2m

import m2m_adapters as m2m
from m2m_adapters.errors import UnknownName, UserError
from m2m_adapters.planning.effects import SPREADS
from m2m_adapters.planning.estimate import DIRECTIONS, estimate, nested_trials
from m2m_adapters.planning.facts import MODALITY, coverage, figures, model_facts, sources
from m2m_adapters.planning.forecast import ROUTING_LOSS
from m2m_adapters.planning.left_out import leave_out_errors, quoted_errors, summary, trials
from m2m_adapters.planning.model import Model, model, to_logit, to_percent, usable
from m2m_adapters.planning.native import native_models
from m2m_adapters.planning.parallel import (
    Measured,
    assign_files,
    measure_source,
    read_pairs,
    sharpen,
)
from m2m_adapters.planning.recommend import query_ms
from m2m_adapters.registry.entries import registry


def test_logit_and_percent_are_inverse() -> None:
    values = np.array([0.0, 3.0, 50.0, 97.0, 100.0])
    np.testing.assert_allclose(to_percent(to_logit(values)), values, atol=1e-9)


def test_data_files_are_whole() -> None:
    assert len(figures()) == 639
    assert len({(f.benchmark, f.source, f.target, f.language) for f in figures()}) == 639
    assert {f.benchmark for f in figures()} == set(MODALITY)
    facts = model_facts()
    for fact in facts.sources.values():
        assert {fact.trained, fact.base} <= set(facts.coverage_lists) and fact.cite
    assert all(fact.cite for fact in [*facts.native, *facts.coverage_lists.values(), facts.cc100])
    assert all(registry().find("source", name) for name in sources())


@pytest.mark.parametrize(
    ("source", "language", "level"),
    [("mpnet", "de", 2), ("mpnet", "sw", 1), ("mpnet", "qu", 0), ("labse", "mi", 2),
     ("labse", "fil", 2), ("mpnet", "no", 2), ("unheard-of", "de", None)],
)  # fmt: skip
def test_documented_coverage(source: str, language: str, level: int | None) -> None:
    assert coverage(source, language) == level


def test_published_figure_is_answered_as_it_is() -> None:
    (answer,) = m2m.forecast("mpnet", "clip-l14", ["swa"])
    assert (answer.basis, answer.expected, answer.question.language) == ("published", 3.14, "sw")
    assert answer.low < 3.14 < answer.high
    assert answer.error is None


@pytest.mark.parametrize(
    ("source", "target", "language", "basis", "reason"),
    [
        ("labse", "clip-l14", "te", "modeled", "with other targets"),
        ("labse", "jina-clip", "ta", "modeled", "other sources' figures"),  # audio has Tamil
        ("labse", "jina-clip", "te", "published", "published for"),
        ("e5-base", "jina-clip", "de", "guess", "nothing is published for e5-base;"),
        ("mpnet", "siglip-base", "de", "guess", "nothing is published for target siglip-base"),
        ("e5-base", "siglip-base", "de", "guess", "e5-base nor for target siglip-base"),
        ("mpnet", "jina-clip", "xh", "guess", "nothing is published for the language"),
        ("gte-multilingual", "jina-clip", "de", "guess", "its languages are not on record"),
    ],
)
def test_basis_says_what_the_forecast_rests_on(
    source: str, target: str, language: str, basis: str, reason: str
) -> None:
    (answer,) = m2m.forecast(source, target, language)
    assert answer.basis == basis and reason in answer.why
    assert 0 <= answer.low <= answer.expected <= answer.high <= 100
    assert (answer.error is None) == (basis == "published")


def test_a_guess_is_wider_than_a_modeled_figure() -> None:
    (modeled,) = m2m.forecast("labse", "clip-l14", ["te"])
    (guess,) = m2m.forecast("e5-base", "siglip-base", ["te"])
    assert guess.high - guess.low > modeled.high - modeled.low


def test_the_error_is_that_of_the_coverage_of_the_language() -> None:
    trained, base = m2m.forecast("minilm", "align", ["de", "sw"])
    quoted = quoted_errors("pair", "t2i", "xm3600")
    assert (trained.error, base.error) == (quoted.by_level[2], quoted.by_level[1])
    assert base.covered == quoted.coverage_by_level[1]
    assert trained.error_on == "xm3600"


def test_the_default_benchmark_is_of_the_targets_modality() -> None:
    (answer,) = m2m.forecast("mpnet", "clap", "de")
    assert (answer.question.benchmark, answer.basis) == ("audiocaps", "published")


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("protocol", ["figure", "source and language", "language"])
def test_left_out_error_meets_the_demand(protocol: str, direction: str) -> None:
    result = leave_out_errors(protocol, direction)
    assert result is not None and result.count == 216
    assert result.error <= 6
    assert 0.80 <= result.coverage <= 0.95
    assert max(result.by_source.values()) <= 6
    assert min(result.coverage_by_level.values()) >= 0.6  # also where it is hardest


def test_the_demand_also_holds_with_effects_estimated_without_the_languages() -> None:
    protocols = ["figure", "source and language", "language"]
    for (protocol, direction), tried in nested_trials(usable("t2i"), protocols).items():
        result = summary(tried, protocol, direction, "xm3600")
        assert result.count == 216
        assert result.error <= 6
        assert 0.80 <= result.coverage <= 0.95


def test_the_sizes_of_effects_are_those_of_the_rule() -> None:
    estimated = estimate(usable("t2i"))
    assert set(estimated) == set(SPREADS)
    for name, size in estimated.items():
        assert SPREADS[name] == pytest.approx(size, abs=0.0051), name


def test_leaving_out_by_formula_equals_fitting_without() -> None:
    full = model("t2i")
    index = next(
        i for i, q in enumerate(full.questions)
        if (q.benchmark, q.source, q.language) == ("xm3600", "labse", "sw")
    )  # fmt: skip
    gone = np.array([i for i, q in enumerate(full.questions) if q.language == "sw"])
    rest = Model("t2i", [f for f in usable("t2i") if f.language != "sw"])
    means, spreads = rest.predict([full.questions[index]])
    mean, spread = full.predict_without(index, gone)
    # the two center on slightly different levels, which the free level takes up
    assert mean == pytest.approx(means[0], abs=0.01)
    assert spread == pytest.approx(spreads[0], abs=1e-3)


def test_the_routing_loss_is_what_was_measured() -> None:
    tried = {
        (trial.question.source, trial.question.language): trial
        for trial in trials(model("t2i"), "source and language", "xm3600")
        if trial.question.target == "jina-clip"
    }
    lost = []
    for couple in (
        ("mpnet", "labse"),
        ("minilm", "labse"),
        ("mpnet", "jina-v3"),
        ("labse", "jina-v3"),
    ):
        for language in {language for _, language in tried}:
            both = [tried[source, language] for source in couple]
            picked = max(both, key=lambda trial: trial.expected)
            lost.append(max(trial.published for trial in both) - picked.published)
    assert float(np.mean(lost)) == pytest.approx(ROUTING_LOSS, abs=0.05)


# ------------------------------------------------------------------ several sources


def test_a_route_is_the_better_part_of_each_language() -> None:
    both = m2m.forecast("route(mpnet|labse)", "jina-clip", ["sw", "de"])
    labse, mpnet = (
        m2m.forecast("labse", "jina-clip", "sw"),
        m2m.forecast("mpnet", "jina-clip", "de"),
    )
    assert [a.expected for a in both] == [labse[0].expected, mpnet[0].expected]
    assert both[0].question.source == "route(mpnet|labse)" and both[0].why.startswith(
        "the better part, labse"
    )
    (unsure,) = m2m.forecast("route(minilm|labse)", "clip-l14", ["te"])
    (alone,) = m2m.forecast("labse", "clip-l14", ["te"])
    assert unsure.expected == pytest.approx(alone.expected - ROUTING_LOSS)


def test_a_fusion_is_answered_as_a_guess() -> None:
    (fused,) = m2m.forecast("mpnet+labse", "jina-clip", ["sw"])
    (routed,) = m2m.forecast("route(mpnet|labse)", "jina-clip", ["sw"])
    assert (fused.question.source, fused.basis) == ("mpnet+labse", "guess")
    assert fused.expected == routed.expected and "no fusion has published figures" in fused.why


# ------------------------------------------------------------------ parallel sentences


def test_measured_share_does_not_depend_on_the_number_of_pairs() -> None:
    rng = np.random.default_rng(0)
    english = rng.standard_normal((1000, 32))
    foreign = english + 1.6 * rng.standard_normal(english.shape)
    small = measure_source(foreign[:250], english[:250], "sw").share
    large = measure_source(foreign, english, "sw").share
    assert small == pytest.approx(large, abs=8)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(UserError, match="at least 100"):
        measure_source(np.ones((20, 4)), np.ones((20, 4)), "de")
    with pytest.raises(ValueError, match="as many foreign"):
        measure_source(np.ones((200, 4)), np.ones((199, 4)), "de")
    with pytest.raises(UserError, match="3 distinct sentence pairs for 'de'"):
        rows = [(f"one {i % 3}", f"eins {i % 3}") for i in range(500)]
        m2m.forecast("tiny-text", "jina-clip", "de", parallel={"de": rows})


@pytest.mark.parametrize(("share", "rises"), [(95.0, True), (8.0, False)])
def test_parallel_text_moves_and_narrows_a_guess(share: float, rises: bool) -> None:
    (guess,) = m2m.forecast("e5-small", "jina-clip", ["sw"])
    sharp = sharpen(guess, {"sw": Measured("sw", 300, share)})
    assert sharp.basis == "measured"
    assert (sharp.expected > guess.expected) == rises
    assert to_logit(sharp.high) - to_logit(sharp.low) < to_logit(guess.high) - to_logit(guess.low)


@pytest.mark.parametrize("share", [0.0, 100.0])
def test_a_share_at_either_end_gives_a_finite_interval(share: float) -> None:
    (guess,) = m2m.forecast("e5-small", "jina-clip", ["sw"])
    sharp = sharpen(guess, {"sw": Measured("sw", 100, share)})
    assert all(map(math.isfinite, (sharp.low, sharp.expected, sharp.high)))


def test_a_published_figure_is_not_overruled_by_parallel_text() -> None:
    (published,) = m2m.forecast("mpnet", "jina-clip", ["sw"])
    assert sharpen(published, {"sw": Measured("sw", 300, 90.0)}) == published


def test_the_source_is_measured_through_the_store(tmp_path: Path) -> None:
    captions = m2m.load_benchmark("tiny-scenes").captions
    pairs = list(zip(captions["en"], captions["ja"]))
    store = m2m.Store(tmp_path)
    (guess,) = m2m.forecast("tiny-text", "jina-clip", "ja")
    (sharp,) = m2m.forecast("tiny-text", "jina-clip", "jp", parallel={"ja": pairs}, store=store)
    assert (guess.basis, sharp.basis) == ("guess", "measured")
    assert sharp.expected > guess.expected and sharp.high - sharp.low < guess.high - guess.low
    assert "parallel pairs" in sharp.why
    (section,) = store.sections()
    assert len(section) > 100
    again = m2m.forecast("tiny-text", "jina-clip", "ja", parallel={"ja": pairs}, store=store)
    assert again == [sharp]


def test_pairs_are_read_from_lines_and_tables(tmp_path: Path) -> None:
    lines = tmp_path / "pairs.txt"
    lines.write_text('a "dog"\tein "Hund\n\na cat\teine Katze\nhalf\t\n', encoding="utf-8")
    assert read_pairs(lines, "de") == [('a "dog"', 'ein "Hund'), ("a cat", "eine Katze")]
    table = tmp_path / "pairs.csv"
    table.write_text('sw,English,deu\n"mbwa, mkubwa",a dog,Hund\n', encoding="utf-8")
    assert read_pairs(table, "sw") == [("a dog", "mbwa, mkubwa")]
    assert read_pairs(table, "de") == [("a dog", "Hund")]
    with pytest.raises(UserError, match="no column for 'te'"):
        read_pairs(table, "te")
    bare = tmp_path / "bare.csv"
    bare.write_text("a dog,Hund\n", encoding="utf-8")
    assert read_pairs(bare, "de") == [("a dog", "Hund")]
    broken = tmp_path / "broken.csv"
    broken.write_text('a dog,"Hund\n', encoding="utf-8")
    with pytest.raises(UserError, match="quotation mark"):
        read_pairs(broken, "de")
    empty = tmp_path / "empty.tsv"
    empty.write_text("", encoding="utf-8")
    with pytest.raises(UserError, match="holds no pairs"):
        read_pairs(empty, "de")


def test_files_are_assigned_to_languages(tmp_path: Path) -> None:
    plain, table = tmp_path / "plain.tsv", tmp_path / "table.csv"
    plain.write_text("a dog\tein Hund\n", encoding="utf-8")
    table.write_text("en,sw,te\na dog,mbwa,కుక్క\n", encoding="utf-8")
    assert assign_files([str(plain)], ["de", "en"]) == {"de": str(plain)}
    assert assign_files([f"jp={plain}"], ["ja", "de"]) == {"ja": str(plain)}
    assert assign_files([str(table)], ["sw", "te", "de"]) == {"sw": str(table), "te": str(table)}
    with pytest.raises(UserError, match=r"both a\.tsv and b\.tsv are for 'sw'"):
        assign_files(["sw=a.tsv", "swa=b.tsv"], ["sw"])
    with pytest.raises(UserError, match="the language of"):
        assign_files([str(plain)], ["sw", "te"])
    with pytest.raises(UserError, match="not among the requested languages"):
        assign_files([f"de={plain}"], ["sw"])
    with pytest.raises(UserError, match="not among the requested languages"):
        m2m.forecast("tiny-text", "jina-clip", "sw", parallel={"de": plain})


# ------------------------------------------------------------------ bad questions


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownName, match="did you mean 'mpnet'"):
        m2m.forecast("mpnett", "clap", "de")
    with pytest.raises(UnknownName, match="no target is called"):
        m2m.forecast("mpnet", "unheard-of", "de")
    with pytest.raises(UserError, match="'xx' is not a language"):
        m2m.forecast("mpnet", "clap", ["de", "xx"])
    with pytest.raises(UserError, match="no language"):
        m2m.forecast("mpnet", "clap", [])
    with pytest.raises(UserError, match="no figures are recorded for the benchmark"):
        m2m.forecast("mpnet", "clap", "de", benchmark="xtd")
    with pytest.raises(UserError, match="of modality image, not audio"):
        m2m.forecast("mpnet", "clap", "de", benchmark="xm3600")
    with pytest.raises(UserError, match="not a direction"):
        m2m.forecast("mpnet", "clap", "de", direction="both")
    assert m2m.forecast("st:ORG/MODEL", "clip:ORG/MODEL", "de")[0].basis == "guess"


# ------------------------------------------------------------------ recommend


def test_recommend_fuses_where_one_source_fails_and_names_the_native_model() -> None:
    answer = m2m.recommend(["sw", "de"])
    assert answer.candidates[0].route
    assert "labse" in answer.candidates[0].source
    assert answer.native_is_better
    assert answer.advice.startswith("A natively multilingual model would be better")
    assert "m-clip-xlmr-b16plus" in answer.advice and "siglip2" in answer.advice


def test_recommend_keeps_the_budget_and_leaves_out_idle_routes() -> None:
    answer = m2m.recommend(["de", "fr"], cpu_budget_ms=30)
    assert answer.candidates
    assert all(c.query_ms is not None and c.query_ms <= 30 for c in answer.candidates)
    assert not any(c.route for c in m2m.recommend(["de"]).candidates)
    none = m2m.recommend(["de"], cpu_budget_ms=0.1)
    assert not none.candidates and "--cpu-budget" in none.advice
    assert query_ms("mpnet+unheard-of") is None


def test_recommend_ranks_a_guess_cautiously() -> None:
    answer = m2m.recommend(["de"], targets=["jina-clip"], limit=20)
    names = [c.source for c in answer.candidates]
    assert names.index("mpnet") < names.index("e5-large")
    assert {c.guessed for c in answer.candidates if c.source.startswith("e5")} == {True}


def test_recommend_audio_and_bad_input() -> None:
    answer = m2m.recommend(["te"], modality="audio")
    assert answer.candidates[0].target == "clap" and not answer.native_is_better
    with pytest.raises(UserError, match="modality"):
        m2m.recommend(["te"], modality="smell")
    with pytest.raises(UserError, match="not of modality audio"):
        m2m.recommend(["te"], modality="audio", targets=["clip-l14"])
    with pytest.raises(UserError, match="no language"):
        m2m.recommend([])


def test_native_models_are_exact_where_their_languages_are_published() -> None:
    exact = {m.name: m.exact for m in native_models(["sw", "de"], "xm3600", "t2i")}
    assert exact["m-clip-xlmr-b16plus"] and not exact["jina-clip-v2"]
    average = {m.name: m for m in native_models(["sw", "ta"], "xm3600", "t2i")}[
        "m-clip-xlmr-b16plus"
    ]
    assert not average.exact and average.expected == pytest.approx(81.8, abs=0.05)


# ------------------------------------------------------------------ commands


def test_the_forecast_command_marks_guesses() -> None:
    done = run_m2m("forecast", "--source", "e5-small", "--target", "jina-clip", "--langs", "sw,de")
    assert done.returncode == 0, done.stderr
    assert "?" in done.stdout and "guess" in done.stdout and "points on xm3600" in done.stdout
    done = run_m2m("forecast", "-s", "mpnet", "-t", "clip-l14", "--langs", "sw", "--json")
    (row,) = json.loads(done.stdout)
    assert (row["expected"], row["basis"], row["left_out_error"]) == (3.14, "published", None)


def test_the_forecast_command_measures_parallel_sentences(tmp_path: Path) -> None:
    captions = m2m.load_benchmark("tiny-scenes").captions
    file = tmp_path / "pairs.tsv"
    lines = [f"{a}\t{b}\n" for a, b in zip(captions["en"], captions["de"])]
    file.write_text("".join(lines), encoding="utf-8")
    asked = ["forecast", "-s", "tiny-text", "-t", "jina-clip", "--langs", "de", "--parallel"]
    done = run_m2m(*asked, str(file), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["basis"] == "measured"
    file.write_text("".join(lines[:40]), encoding="utf-8")
    done = run_m2m(*asked, f"de={file}")
    assert done.returncode == 2
    assert "too few to measure a source" in done.stderr and done.stderr.count("\n") == 1
    done = run_m2m(*asked, "de=missing.tsv")
    assert done.returncode == 2 and "missing.tsv" in done.stderr and "Traceback" not in done.stderr


def test_the_recommend_command_labels_estimates() -> None:
    done = run_m2m("recommend", "--langs", "sw,de", "--cpu-budget", "60")
    assert done.returncode == 0, done.stderr
    assert "estimate" in done.stdout and "~50 ms, medium" in done.stdout
    assert "natively multilingual" in done.stdout
    done = run_m2m("recommend", "--langs", "sw,de", "--json")
    answer = json.loads(done.stdout)
    assert answer["native_is_better"] and answer["candidates"][0]["query_ms_estimate"] > 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["forecast", "-s", "mpnett", "-t", "clap", "--langs", "de"],
            "no source is called 'mpnett'",
        ),
        (["forecast", "-s", "mpnet", "-t", "clap", "--langs", "xx"], "'xx' is not a language"),
        (["recommend", "--langs", ","], "no language"),
    ],
)
def test_bad_questions_are_one_line(arguments: list[str], line: str) -> None:
    done = run_m2m(*arguments)
    assert done.returncode == 2
    assert line in done.stderr and done.stderr.count("\n") == 1
