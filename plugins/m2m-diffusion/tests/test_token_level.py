"""Aligning token states to a token sequence, and un-pooling a sentence vector beside it."""

import functools
import warnings

import numpy as np
import pytest
import torch
from m2m_diffusion.target import load
from pipeline_folders import folder

import m2m_adapters as m2m
from m2m_adapters.errors import UserError
from m2m_adapters.projectors.tokens import TokenProjector, TokenShape
from m2m_adapters.testing.toys import ToySource, _word, toy_sentences


class WordSource(ToySource):
    """A toy whose tokens are words, each knowing its place."""

    def encode_tokens(self, texts):
        return [
            np.stack(
                [
                    _word(w, 48, 0) + _word(f"place {i}", 48, 1)
                    for i, w in enumerate(text.lower().split())
                ]
            )
            for text in texts
        ]


SENTENCES = list(toy_sentences(600))
OPTIONS = {"store": False, "progress": False}


@pytest.fixture(scope="module")
def target():
    return load(str(folder("sd")), device="cpu")


@pytest.fixture(scope="module")
def token_adapter(target):
    return m2m.align(WordSource(), target, SENTENCES, level="token", epochs=20, **OPTIONS)


def test_it_learns_the_sequence(token_adapter, target):
    held = token_adapter.record.held_out
    assert held.loss < 0.7 and held.top1 > 0.3  # 1.0 and 1/60 without learning
    assert token_adapter.level == "token" and token_adapter.dim == target.space.dim
    unpooled = m2m.align(WordSource(), target, SENTENCES, recipe="closed-form", **OPTIONS)
    fresh = [text for text in toy_sentences(700, seed=1) if text not in SENTENCES][:50]
    native = target.text.encode(fresh)
    errors = [
        float(np.square(one.encode(fresh) - native).mean()) for one in (token_adapter, unpooled)
    ]
    spread = float(np.square(native - native.mean(0)).mean())
    assert max(errors) < spread  # both say something about sentences never seen


def test_saved_and_loaded_it_is_the_same(token_adapter, tmp_path):
    place = token_adapter.save(tmp_path / "a")
    again = m2m.load_adapter(place, source=WordSource(), target=token_adapter.target)
    assert np.array_equal(again.encode(SENTENCES[:3]), token_adapter.encode(SENTENCES[:3]))
    assert again.digest == token_adapter.digest


def test_the_same_seed_gives_the_same_adapter(target):
    made = [
        m2m.align(WordSource(), target, SENTENCES[:100], level="token", epochs=1, **OPTIONS).digest
        for _ in range(2)
    ]
    assert made[0] == made[1]


def test_a_text_is_encoded_alike_alone_and_beside_others(token_adapter):
    together = token_adapter.encode(["a dog", *SENTENCES[:4]])
    assert np.array_equal(together[:1], token_adapter.encode(["a dog"]))


def test_padding_says_nothing(token_adapter):
    states = torch.randn(1, 5, 48)
    longer = torch.cat([states, torch.full((1, 3, 48), 7.0)], 1)
    mask = torch.tensor([[True] * 5 + [False] * 3])
    alone = token_adapter.projector(states, mask[:, :5])
    torch.testing.assert_close(token_adapter.projector(longer, mask), alone, rtol=1e-4, atol=1e-5)


def test_it_paints(token_adapter):
    images = token_adapter.generate(
        ["a dog", "a cat"], steps=1, size=16, guidance=2.0, negative="rain"
    )
    assert len(images) == 2


def test_a_pooled_part_is_learned_with_the_sequence():
    target = load(str(folder("sdxl")), device="cpu")
    adapter = m2m.align(WordSource(), target, SENTENCES[:200], level="token", epochs=2, **OPTIONS)
    assert adapter.projector.shape.pooled == 24 and adapter.dim == target.space.dim
    assert len(adapter.generate(["a dog"], steps=1, size=16)) == 1


def test_mistakes(target, token_adapter):
    flux = load(str(folder("flux-no-t5")), device="cpu")
    with pytest.raises(UserError, match="does not read a token sequence"):
        m2m.align(WordSource(), flux, SENTENCES, level="token", **OPTIONS)
    with pytest.raises(UserError, match="does not show its token states"):
        m2m.align(ToySource(), target, SENTENCES, level="token", **OPTIONS)
    with pytest.raises(UserError, match="unknown level 'word'"):
        m2m.align(WordSource(), target, SENTENCES, level="word", **OPTIONS)
    with pytest.raises(UserError, match="'ridge' is not an option of token level"):
        m2m.align(WordSource(), target, SENTENCES, level="token", ridge=1.0, **OPTIONS)
    with pytest.raises(UserError, match="use encode"):
        token_adapter.project(np.zeros((1, 64), np.float32))
    with pytest.raises(UserError):
        TokenShape(0, 0, 4, 4)


def test_what_token_level_cannot_honor_is_refused(target, token_adapter, tmp_path):
    with pytest.raises(UserError, match="have no effect"):
        m2m.align(
            WordSource(), target, SENTENCES, level="token", stopping=m2m.Stopping(0.2), **OPTIONS
        )
    for to in ("numpy", "sentence-transformers"):
        with pytest.raises(UserError, match="cannot hold an adapter of token level"):
            m2m.export(token_adapter, to, tmp_path / "out")


class Counting(WordSource):
    """Files its states and counts what it encodes."""

    fingerprint = "word states"

    def __init__(self):
        super().__init__()
        self.encoded = 0

    def encode_tokens(self, texts):
        self.encoded += len(texts)
        return super().encode_tokens(texts)


def test_states_are_stored_and_serve_every_later_alignment(target, tmp_path):
    source, store = Counting(), m2m.Store(tmp_path)
    made = [
        m2m.align(
            source, target, SENTENCES[:200], level="token", store=store, progress=False, **changes
        )
        for changes in ({"epochs": 1}, {"epochs": 1}, {"epochs": 2})
    ]
    probes = len(made)  # one sentence each time, to see how wide the states are
    assert source.encoded == 200 + probes
    assert made[0].digest == made[1].digest != made[2].digest
    unstored = m2m.align(source, target, SENTENCES[:200], level="token", epochs=1, **OPTIONS)
    assert unstored.digest == made[0].digest
    assert made[0].encoding["source"]["tokens"] > 200


def test_a_training_of_tokens_goes_on_where_it_was_stopped(target, tmp_path, monkeypatch):
    from m2m_adapters.alignment import train

    class Stop(Exception):
        pass

    def aligned(name, stop=None):
        def one_epoch(self):
            if self.epoch == stop:
                raise Stop
            trained.append(self.epoch + 1)
            real(self)

        monkeypatch.setattr(train._Training, "one_epoch", one_epoch)
        return m2m.align(
            Counting(), target, SENTENCES[:200], level="token", epochs=4, progress=False,
            store=m2m.Store(tmp_path / name),
        )  # fmt: skip

    real, trained = train._Training.one_epoch, []
    monkeypatch.setattr(train, "Checkpoint", functools.partial(train.Checkpoint, every=0))
    whole = aligned("whole")
    trained.clear()
    with pytest.raises(Stop):
        aligned("stopped", stop=2)
    again = aligned("stopped")
    assert trained == [1, 2, 3, 4] and again.digest == whole.digest
    assert [point.epoch for point in again.record.curve] == [0, 1, 2, 3, 4]


def test_names_and_shapes_are_known_without_making_weights():
    shape = TokenShape(8, 3, 4, 5, hidden=16)
    real = {name: tuple(t.shape) for name, t in TokenProjector(shape).state_dict().items()}
    assert shape.tensors() == real and shape.d_out == 23


def test_auto_takes_the_level_that_suits_the_target(target):
    few = SENTENCES[:100]
    assert m2m.align(WordSource(), target, few, epochs=1, **OPTIONS).level == "token"
    with pytest.warns(UserWarning, match="since the recipe 'closed-form' is for sentence level"):
        made = m2m.align(WordSource(), target, few, recipe="closed-form", **OPTIONS)
    assert made.level == "sentence"
    with pytest.warns(UserWarning, match="the source does not show its token states"):
        assert m2m.align(ToySource(), target, few, **OPTIONS).level == "sentence"
    with pytest.warns(UserWarning, match="'ridge' is not an option of the recipe token"):
        assert m2m.align(WordSource(), target, few, ridge=0.1, **OPTIONS).level == "sentence"
    flux, pooled = (load(str(folder(name)), device="cpu") for name in ("flux", "flux-no-t5"))
    with pytest.warns(UserWarning, match="the source does not show its token states"):
        assert m2m.align(ToySource(), flux, few, **OPTIONS).level == "sentence"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert m2m.align(WordSource(), flux, few, epochs=1, **OPTIONS).level == "token"
        assert m2m.align(WordSource(), pooled, few, **OPTIONS).level == "sentence"
        assert m2m.align(WordSource(), target, few, level="sentence", **OPTIONS).level == "sentence"
