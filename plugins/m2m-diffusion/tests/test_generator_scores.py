"""Scores of generators: systems see what they should, judges judge what they are shown."""

import numpy as np
import pytest
from m2m_diffusion.target import load
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.generators import Alignment, make_all
from m2m_adapters.interfaces import ModalityModel, normalize
from m2m_adapters.testing.toys import ToySource, toy_sentences

CAPTIONS = {"en": ["a red cube", "a dog"], "de": ["ein roter Würfel", "ein Hund"]}
QUICK = {"steps": 1, "size": 16}


@pytest.fixture(scope="module")
def adapter():
    target = load(str(folder("flux-no-t5")), device="cpu")
    return m2m.align(
        ToySource(),
        target,
        list(toy_sentences(200)),
        recipe="closed-form",
        store=False,
        progress=False,
    )


class PixelScorer(ModalityModel):
    """Pictures and texts in one space: the mean color, and a hash of the words."""

    modality = "image"

    def __init__(self):
        self._text = ToySource(dim=3)

    @property
    def text(self):
        return self._text

    def encode_items(self, items, **_):
        return normalize(np.stack([np.asarray(i, np.float32).mean((0, 1)) for i in items]))


def test_every_system_paints_what_it_is_given(adapter):
    made = list(make_all(adapter, CAPTIONS, **QUICK))
    shown = {(one.system, one.language): np.stack(one.pictures) for one in made}
    target = adapter.target
    for key, vectors in {
        ("reference", "en"): target.text.encode(CAPTIONS["en"]),
        ("native", "de"): target.text.encode(CAPTIONS["de"]),
        ("adapter", "de"): adapter.encode(CAPTIONS["de"]),
        ("neutral", "en"): target.text.encode(["", ""]),
    }.items():
        assert np.array_equal(shown[key], np.stack(target.generate(vectors, **QUICK)))
    own, theirs = [("adapter", "en"), ("adapter", "de")], [("native", "en"), ("native", "de")]
    assert list(shown) == [("reference", "en"), *own, *theirs, ("neutral", "en")]
    for one in made:
        assert np.array_equal(np.stack(one.english), shown[one.system, "en"])


def test_alignment_compares_with_the_english_reference():
    scorer = PixelScorer()
    judge = Alignment(scorer, CAPTIONS["en"])
    pictures = [
        np.zeros((4, 4, 3), np.uint8) + c for c in (np.uint8([9, 9, 200]), np.uint8([200, 9, 9]))
    ]
    texts, items = normalize(scorer.text.encode(CAPTIONS["en"])), scorer.encode_items(pictures)
    told = {name: one.value for name, one in judge.figures(judge.look(pictures)).items()}
    assert told["alignment"] == pytest.approx(float((texts * items).sum(1).mean()), abs=1e-6)
    right = [items[i] @ texts[i] > items[i] @ texts[1 - i] for i in range(2)]
    assert told["chosen"] == np.mean(right)


def test_mistakes(adapter):
    with pytest.raises(UserError, match="no captions in 'fr'"):
        next(make_all(adapter, CAPTIONS, reference="fr"))
    with pytest.raises(UserError, match="different numbers"):
        next(make_all(adapter, {"en": ["a"], "de": []}))
    with pytest.raises(UserError, match="unknown system 'magic'"):
        next(make_all(adapter, CAPTIONS, systems=["magic"]))
    with pytest.raises(UserError, match="does not encode pictures"):
        Alignment(adapter.target, ["a"])
