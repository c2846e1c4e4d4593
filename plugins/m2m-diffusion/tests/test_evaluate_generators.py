"""``m2m evaluate`` of an adapter whose target generates: prompts, judges, reports, mistakes."""

import json

import numpy as np
import pytest
from browser import check_page
from PIL import Image
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.artifact.card import card
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import PerPicture, PictureJudge, Prompts, evaluate_generator
from m2m_adapters.evaluation.distances import distances
from m2m_adapters.evaluation.prompts import read_prompts
from m2m_adapters.interfaces import ModalityModel
from m2m_adapters.report.evaluation_page import write_report
from m2m_adapters.testing.toys import ToySource, toy_sentences

PROMPTS = {
    "en": ["a red cube", "a dog", "two squares"],
    "de": ["ein roter Würfel", "ein Hund", "zwei Quadrate"],
    "ar": ["مكعب أحمر", "كلب", "مربعان"],
}
SCORER = "tiny-clip"  # real weights, small enough for every test

pytest.importorskip("m2m_tiny")


@pytest.fixture(scope="module")
def adapter_folder(tmp_path_factory):
    # 8 x 8 latents and the pipeline's own default size keep it quick without options.
    made = m2m.align(
        "toy-source", f"diffusion:{folder('sd')}", list(toy_sentences(300)), recipe="closed-form",
        store=False, model_options={"device": "cpu"},
    )  # fmt: skip
    return made.save(tmp_path_factory.mktemp("adapters") / "toy-sd")


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "colors.csv"
    rows = [",".join(PROMPTS)] + [",".join(some) for some in zip(*PROMPTS.values())]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def run(arguments, capsys):
    from m2m_cli.main import run as m2m_run

    with pytest.raises(SystemExit) as left:
        m2m_run(["evaluate", *map(str, arguments), "--device", "cpu"])
    return left.value.code, capsys.readouterr()


class Brightness(PictureJudge):
    """How bright, and how often a channel is over the middle: asked of 1, 2, 3, ... channels."""

    name, headline = "brightness", "bright"

    def look(self, pictures):
        return np.stack([np.asarray(one, np.float64).mean((0, 1)) / 255 for one in pictures])

    def figures(self, seen):
        asked = np.arange(len(seen)) % 3 + 1
        over = np.array([(row[:n] > 0.5).sum() for row, n in zip(seen, asked)])
        return {
            "bright": PerPicture.mean(seen.mean(1)),
            "over": PerPicture(over * 1.0, asked * 1.0),
        }

    def alike(self, english, seen):
        return {"as English": PerPicture.mean((english == seen).all(1))}


class Painter(ModalityModel):
    """One color for each vector: what a random UNet says is hardly heard."""

    modality = "image"

    def __init__(self):
        self._text = ToySource(dim=3)

    @property
    def text(self):
        return self._text

    def generate(self, vectors, *, seed=0, **_):
        noise = np.random.default_rng(seed).normal(size=(4, 4, 3)) * 9
        colors = 128 + 300 * np.asarray(vectors, np.float64)[:, None, None]
        return [np.clip(one + noise, 0, 255).astype(np.uint8) for one in colors]


def test_figures_are_means_over_the_pictures_with_intervals():
    adapter = m2m.align(ToySource(), Painter(), list(toy_sentences(200)), recipe="closed-form",
                        store=False, progress=False)  # fmt: skip
    prompts = Prompts("three", "image", PROMPTS, Brightness())
    found = evaluate_generator(adapter, prompts, seed=4)
    told = found.to_dict()
    pictures = adapter.target.generate(adapter.encode(PROMPTS["de"]), seed=4)
    seen = Brightness().look(pictures)
    own = told["systems"]["adapter"]["languages"]
    value, low, high = own["de"]["bright"]
    assert value == round(100 * seen.mean(), 2)
    # Of three pictures the resamples lie between the darkest and the brightest.
    each = 100 * seen.mean(1)
    assert each.min() - 0.01 <= low < value < high <= each.max() + 0.01
    over = sum((seen[i, : i + 1] > 0.5).sum() for i in range(3))
    assert own["de"]["over"][0] == round(100 * over / 6, 2)
    assert own["en"]["as English"] == [100.0, 100.0, 100.0]
    native = adapter.target.generate(adapter.target.text.encode(PROMPTS["en"]), seed=4)
    assert told["reference"]["bright"][0] == round(100 * Brightness().look(native).mean(), 2)
    share = told["systems"]["native"]["share of native English"]["en"]["bright"]
    assert share == [100.0, 100.0, 100.0]  # against itself, resampled together
    assert list(told["systems"]["neutral"]["languages"]) == ["en"]
    mean = told["systems"]["adapter"]["averages"]["without English"]["bright"][0]
    assert mean == pytest.approx((own["de"]["bright"][0] + own["ar"]["bright"][0]) / 2, abs=0.01)


def test_agreement_is_the_mean_over_the_other_languages():
    adapter = m2m.align(ToySource(), Painter(), list(toy_sentences(200)), recipe="closed-form",
                        store=False, progress=False)  # fmt: skip
    same = {**PROMPTS, "fr": PROMPTS["de"]}  # two languages that are read alike
    found = evaluate_generator(adapter, Prompts("three", "image", same, Brightness()), seed=4)
    pictures = {
        code: Brightness().look(adapter.target.generate(adapter.encode(texts), seed=4))
        for code, texts in same.items()
    }
    own = found.to_dict()["systems"]["adapter"]["languages"]
    for code, seen in pictures.items():
        others = [(pictures[c] == seen).all(1).mean() for c in same if c != code]
        assert own[code]["as other languages"][0] == round(100 * np.mean(others), 2)
    assert own["de"]["as other languages"][0] >= 33.33
    assert "as other languages" not in found.to_dict()["systems"]["neutral"]["languages"]["en"]


def test_command_reports_and_card(adapter_folder, table, tmp_path, capsys):
    reports = [tmp_path / f"r{suffix}" for suffix in (".html", ".json", ".md", ".tex")]
    asked = [adapter_folder, "--benchmark", table, "--scorer", SCORER,
             "--steps", 1, "--langs", "de,ar", "--limit", 2, "--seed", 3, "--keep", "--json"]  # fmt: skip
    for path in reports:
        asked += ["--report", path]
    code, said = run(asked, capsys)
    assert code == 0, said.err
    told = json.loads(said.out)
    assert told["benchmark"]["prompts"] == 2 and told["benchmark"]["languages"] == [
        "en",
        "ar",
        "de",
    ]
    assert set(told["systems"]) == {"adapter", "native", "neutral"}
    figures = told["systems"]["adapter"]["languages"]["de"]
    assert set(figures) == {
        "alignment", "chosen", "similarity to English", "similarity to other languages"
    }  # fmt: skip
    page, as_json, md, tex = (path.read_text(encoding="utf-8") for path in reports)
    assert json.loads(as_json) == told
    for text in (page, md, tex):
        assert "German" in text and "alignment" in text and "neutral" in text
    # Two sheets of two prompts: native English, then a column for each of three languages.
    assert page.count("<img") == 2 * 2 * 4 and page.count("<tr>") >= 2
    assert page.count("مكعب أحمر") >= 2 and 'dir="rtl"' in page
    # The pictures come first: the same seed in every language.
    assert page.index("The same seed, every language") < page.index("<img") < page.index("Figures")
    assert f"| {figures['chosen'][0]:.1f} |" in md
    assert "| de | chosen |" in card(m2m.load_adapter(adapter_folder).record)
    assert "| de | chosen |" in (adapter_folder / "README.md").read_text(encoding="utf-8")


ATTACK = '"><script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">'


def test_the_report_in_a_browser(tmp_path, open_page):
    """Pictures show, nothing overflows, and no prompt, language or name is markup."""
    prompts = Prompts(
        f"bench{ATTACK}", "image",
        {"en": [f"{text}{ATTACK}" for text in PROMPTS["en"]], "ar": PROMPTS["ar"],
         f"xx{ATTACK}": [f"{ATTACK} {number}" for number in range(3)]},
        Brightness(),
    )  # fmt: skip
    adapter = m2m.align(ToySource(), Painter(), list(toy_sentences(200)), recipe="closed-form",
                        progress=False)  # fmt: skip
    write_report(evaluate_generator(adapter, prompts), tmp_path / "r.html")
    check_page(open_page, tmp_path / "r.html")
    seen = open_page(tmp_path / "r.html")
    assert seen.ask("document.images.length") == 2 * 3 * 4  # two sheets, three rows, four columns
    assert seen.ask("window.hacked") is None and seen.ask("document.scripts.length") == 1
    directions = (
        "[...document.querySelectorAll('[lang=ar]')].map(e => getComputedStyle(e).direction)"
    )
    assert set(seen.ask(directions)) == {"rtl"}
    head = seen.ask("document.querySelector('table.sorts th').ariaSort")
    seen.page.click("table.sorts th")
    assert head != seen.ask("document.querySelector('table.sorts th').ariaSort")


def test_table_on_the_screen_and_distances_to_a_reference_set(
    adapter_folder, table, tmp_path, capsys
):
    pytest.importorskip("torchmetrics")
    rng = np.random.default_rng(0)
    (tmp_path / "real").mkdir()
    for n in range(5):
        pixels = rng.integers(0, 256, (16, 16, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "real" / f"{n}.png")
    code, said = run([adapter_folder, "--benchmark", table, "--scorer", SCORER,
                      "--steps", 1, "--reference-items", tmp_path / "real"], capsys)  # fmt: skip
    assert code == 0, said.err
    header = said.out.splitlines()[1]
    assert "FID" in header and "KID" in header and "% of native English" in header


def test_distances_are_what_their_formulas_say():
    pytest.importorskip("torchmetrics")
    import torch

    rng = np.random.default_rng(1)
    real, made = rng.normal(size=(60, 5)), rng.normal(0.4, 1.3, (70, 5))
    state = torch.random.get_rng_state()
    found = distances(real, made)
    assert torch.equal(state, torch.random.get_rng_state())
    a, b = np.cov(real, rowvar=False), np.cov(made, rowvar=False)
    # Frechet distance of two normal distributions, with the symmetric root of a.
    values, vectors = np.linalg.eigh(a)
    root = vectors * np.sqrt(values) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ b @ root)).sum()
    apart = ((real.mean(0) - made.mean(0)) ** 2).sum()
    assert found["FID"] == pytest.approx(apart + np.trace(a) + np.trace(b) - 2 * cross, rel=1e-6)

    # The unbiased kernel distance over all pictures, about which the subsets scatter.
    def kernel(x, y):
        return (x @ y.T / 5 + 1) ** 3

    def off(k):
        return (k.sum() - np.trace(k)) / (len(k) * (len(k) - 1))

    whole = off(kernel(real, real)) + off(kernel(made, made)) - 2 * kernel(real, made).mean()
    assert found["KID"] == pytest.approx(whole, rel=0.1)
    assert distances(real, made) == found
    assert distances(real, real)["FID"] == pytest.approx(0, abs=1e-6)


def test_tables_of_prompts(tmp_path):
    long = tmp_path / "captions.jsonl"
    rows = [
        {"id": 1, "language": "en", "caption": "a dog"},
        {"id": 2, "language": "en", "caption": "a cat"},
        {"id": 2, "language": "de", "caption": "eine Katze"},
        {"id": 1, "language": "de", "caption": "ein Hund"},
        {"id": 1, "language": "de", "caption": "noch ein Hund"},
    ]
    long.write_text("\n".join(map(json.dumps, rows)))
    assert read_prompts(tmp_path, "image").captions == {
        "en": ["a dog", "a cat"], "de": ["ein Hund", "eine Katze"]
    }  # fmt: skip
    wide = tmp_path / "wide.csv"
    wide.write_text(
        "en,id,ja\na dog barks,seekor anjing menggonggong,犬が吠える\n", encoding="utf-8"
    )
    assert read_prompts(wide, "image").languages == ["en", "id", "ja"]
    long.write_text("\n".join(map(json.dumps, rows[:3])))
    with pytest.raises(UserError, match="1 of 2 meanings have no prompt in 'de'"):
        read_prompts(long, "image")
    with pytest.raises(UserError, match="no English prompts"):
        Prompts("x", "image", {"de": ["ein Hund"]})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--benchmark", "TABLE"], "no judge of its own"),
        (["--benchmark", "TABLE", "--scorer", "SCORER", "--protocol", "xtd"], "--protocol is for items"),
        (["--benchmark", "TABLE", "--baselines"], "--baselines is for items"),
        (["--benchmark", "TABLE", "--scorer", "SCORER", "--limit", "0"], "--limit must be 1"),
        (["--benchmark", "TABLE", "--scorer", "SCORER", "--langs", "fr"], "has no French"),
        (["--benchmark", "TABLE", "--reference-items", "."], "needs --scorer"),
        (["--benchmark", "TABLE", "--scorer", "SCORER", "--reference-items", "nowhere"],
         "no folder of reference items"),
        (["--benchmark", "TABLE", "--scorer", "toy-target"], "the scorer judges items of kind words"),
        (["--benchmark", "TABLE", "--scorer", "nonsense"], "no target is called 'nonsense'"),
        (["--suite", "mteb", "--scorer", "SCORER"], "--scorer is for prompts"),
    ],
)  # fmt: skip
def test_nonsense_is_one_line(adapter_folder, table, capsys, arguments, told):
    given = {"TABLE": table, "SCORER": SCORER}
    code, said = run([adapter_folder, *(given.get(one, one) for one in arguments)], capsys)
    assert code == 2 and told in said.err and "Traceback" not in said.err, said.err


def test_prompts_for_a_model_that_only_finds(tmp_path, adapter_folder, table, capsys):
    m2m.align("toy-source", "toy-target", list(toy_sentences(200)), recipe="closed-form",
              store=False, progress=False).save(tmp_path / "finds")  # fmt: skip
    code, said = run([tmp_path / "finds", "--benchmark", table, "--scorer", "x"], capsys)
    assert code == 2 and "--scorer is for prompts" in said.err
    adapter = m2m.load_adapter(tmp_path / "finds")
    with pytest.raises(UserError, match="does not generate"):
        evaluate_generator(adapter, Prompts("p", "words", PROMPTS, Brightness()))
