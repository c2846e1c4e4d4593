"""Token level in closed form: tokens of two models that read the same text in their own way."""

import itertools
import warnings

import numpy as np
import pytest
import torch

import m2m_adapters as m2m
from m2m_adapters.alignment.matching import apart, matches
from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, TextEncoder
from m2m_adapters.projectors.tokenwise import TokenwiseProjector, TokenwiseShape
from m2m_adapters.testing.toys import ToySource, _word, toy_sentences

TOKENS, WIDTH, POOLED = 24, 24, 5
OPTIONS = {"store": False, "progress": False}
SENTENCES = list(toy_sentences(600))


def pieces(word):
    """Long words fall into two tokens."""
    return [word] if len(word) < 6 else [word[:4], "##" + word[4:]]


def states(tokens, salt):
    """The state of a token: what it is, and a little of the whole text."""
    own = np.stack([_word(token, WIDTH, salt) for token in tokens])
    return own + 0.5 * own.mean(0)


class Words(ToySource):
    """A source whose tokens are words between two marks."""

    def encode_tokens(self, texts):
        return [states(["<s>", *text.split(), "</s>"], 1) for text in texts]


TURN = np.random.default_rng(0).standard_normal((WIDTH, WIDTH)).astype(np.float32)


class Pieces(TextEncoder):
    """A target's text tower: the same words in pieces, turned; a pooled vector before them."""

    dim, max_tokens, normalized = POOLED + TOKENS * (WIDTH + 1), TOKENS, False
    shape, masked, bidirectional = (TOKENS, WIDTH), True, True

    def row(self, tokens):
        of_words = states(["<s>", *tokens, "</s>"], 1)[1:] @ TURN
        out = np.zeros((TOKENS, WIDTH), np.float32)
        out[: len(of_words)] = of_words[:TOKENS]
        there = np.arange(TOKENS) < len(of_words)
        return np.concatenate([of_words.mean(0)[:POOLED], out.ravel(), there]).astype(np.float32)

    def encode(self, texts, **options):
        return np.stack([self.row([p for w in t.split() for p in pieces(w)]) for t in texts])


class Reader(ModalityModel):
    modality = "image"

    def __init__(self, text=None):
        self.text = text or Pieces()


@pytest.fixture(scope="module")
def adapter():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return m2m.align(Words(), Reader(), SENTENCES, **OPTIONS)


def cheapest(costs):
    """Least cost of a path through one text, by trying: from a corner to the other."""
    n, m = costs.shape

    def rest(i, j):
        if (i, j) == (n - 1, m - 1):
            return 0.0, [(i, j)]
        ways = []
        for di, dj, weight in ((1, 1, 2), (1, 0, 1), (0, 1, 1)):
            if i + di < n and j + dj < m:
                more, path = rest(i + di, j + dj)
                ways.append((weight * costs[i + di, j + dj] + more, [(i, j), *path]))
        return min(ways)

    return rest(0, 0)[1]


def test_a_match_is_the_cheapest_path():
    chance = np.random.default_rng(3)
    sizes = [(1, 1), (1, 4), (4, 1), (3, 5), (5, 3), (5, 5)]
    costs = chance.random((len(sizes), 5, 5)).astype(np.float32)
    lengths, others = (torch.tensor(side) for side in zip(*sizes))
    found = matches(torch.from_numpy(costs), lengths, others)
    for row, (n, m) in enumerate(sizes):
        met = {tuple(cell) for cell in found[row].nonzero().tolist()}
        assert met == set(cheapest(costs[row, :n, :m]))
        assert torch.allclose(found[row, :n].sum(1), torch.ones(n))


def test_by_place_alone_the_path_is_the_diagonal():
    lengths, others = torch.tensor([4, 3]), torch.tensor([4, 6])
    found = matches(apart(lengths, others, 4, 6), lengths, others)
    assert torch.equal(found[0, :4, :4], torch.eye(4))
    assert (found[1, 0, :2] > 0).any() and found[1, 2, 5] > 0 and not found[1, 3].any()


def test_a_text_in_another_order_gives_the_same_states(adapter):
    assert adapter.record.recipe.name == "tokenwise" and adapter.record.held_out.loss < 0.25
    assert adapter.record.held_out.top1 > 0.95
    texts = ["big dog sings far", "far sings dog big"]  # as another language might say it
    ours = adapter.encode(texts)
    mask = ours[:, -TOKENS:]
    assert mask.sum(1).tolist() == [6, 6] and mask[:, :6].all()
    sequence = ours[:, POOLED:-TOKENS].reshape(2, TOKENS, WIDTH)
    assert not sequence[:, 6:].any()
    assert np.allclose(sequence[0, 1:5], sequence[1, 4:0:-1], atol=1e-4)
    own = Pieces().encode(texts[:1])[0, POOLED:-TOKENS].reshape(TOKENS, WIDTH)
    apart_from = [np.square(sequence[0, 1:5] - own[list(order)]).sum() for order in
                  itertools.permutations(range(4))]  # fmt: skip
    assert np.argmin(apart_from) == 0


def test_the_pooled_part_is_learned(adapter):
    fresh = [text for text in toy_sentences(700, seed=1) if text not in SENTENCES][:50]
    ours, own = (one.encode(fresh)[:, :POOLED] for one in (adapter, Pieces()))
    assert np.square(ours - own).mean() < 0.5 * Pieces().encode(SENTENCES)[:, :POOLED].var()


def test_saved_and_loaded_it_is_the_same(adapter, tmp_path):
    again = m2m.load_adapter(adapter.save(tmp_path / "a"), source=Words(), target=Reader())
    assert np.array_equal(again.encode(SENTENCES[:3]), adapter.encode(SENTENCES[:3]))
    assert again.record.projector.name == "token-affine" and again.digest == adapter.digest


def test_it_runs_in_onnxruntime(adapter, tmp_path):
    import onnxruntime

    pytest.importorskip("onnxscript")
    exported = m2m.export(adapter, "onnx-projector", tmp_path / "map.onnx")
    assert exported.deviation <= exported.tolerance
    session = onnxruntime.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    for text in ("dog", SENTENCES[0], "a dog " * 20):  # shorter and longer than the target's
        given = Words().encode_tokens([text])[0][None]
        inputs = {"states": given, "mask": np.ones(given.shape[:2], bool)}
        assert np.allclose(session.run(None, inputs)[0], adapter.encode([text]), atol=1e-4)


def test_a_trained_decoder_for_a_masked_target_runs_in_onnxruntime(tmp_path):
    pytest.importorskip("onnxscript")
    made = m2m.align(Words(), Reader(), SENTENCES[:200], recipe="token", epochs=1, **OPTIONS)
    exported = m2m.export(made, "onnx-projector", tmp_path / "map.onnx")
    assert exported.deviation <= exported.tolerance


def test_padding_says_nothing_and_what_is_too_long_is_cut():
    projector = TokenwiseProjector(TokenwiseShape(8, 0, 4, 3))
    given = torch.randn(1, 6, 8)
    mask = torch.tensor([[True] * 3 + [False] * 3])
    short = projector(given[:, :3], mask[:, :3])
    assert torch.allclose(projector(given, mask), short, atol=1e-6)
    long = projector(given, torch.ones(1, 6, dtype=torch.bool))
    assert long.shape == (1, 16) and long[0, -4:].tolist() == [1.0] * 4


def test_names_and_shapes_are_known_without_making_weights():
    for pooled in (0, 5):
        shape = TokenwiseShape(8, pooled, 4, 3)
        real = {k: tuple(v.shape) for k, v in TokenwiseProjector(shape).state_dict().items()}
        assert shape.tensors() == real and shape.d_out == pooled + 16
    for wrong in ({"tokens": 5000}, {"width": 0}, {"pooled": -1}, {"head": "l2"}):
        with pytest.raises(UserError):
            TokenwiseShape(**{"d_in": 8, "pooled": 0, "tokens": 4, "width": 3, **wrong})


def test_which_recipe_auto_takes():
    class Causal(Pieces):
        bidirectional = False

    few = {"max_sentences": 100, **OPTIONS}
    made = m2m.align(Words(), Reader(Causal()), SENTENCES, epochs=1, **few)
    assert made.record.recipe.name == "token"
    made = m2m.align(Words(), Reader(), SENTENCES, epochs=1, **few)  # asks for training
    assert made.record.recipe.name == "token"
    for asked in ({}, {"recipe": "tokenwise"}):
        for level in ("auto", "token"):
            made = m2m.align(Words(), Reader(), SENTENCES, ridge=0.1, level=level, **asked, **few)
            assert made.record.recipe.name == "tokenwise" and made.record.recipe.ridge == 0.1
    made = m2m.align(Words(), Reader(Causal()), SENTENCES, epochs=1, left_out=0.1, **few)
    assert made.record.recipe.left_out == 0.1
    with pytest.raises(UserError, match="'epochs' is not an option of token level with the recipe"):
        m2m.align(Words(), Reader(), SENTENCES, recipe="tokenwise", epochs=1, **few)


def test_what_it_cannot_do_is_refused():
    class Unmasked(Pieces):
        masked, dim = False, POOLED + TOKENS * WIDTH

        def encode(self, texts, **options):
            return super().encode(texts)[:, :-TOKENS]

    with pytest.raises(UserError, match="takes no mask"):
        m2m.align(Words(), Reader(Unmasked()), SENTENCES, recipe="tokenwise", **OPTIONS)
    long = [f"{text} and {text} and {text} and {text}" for text in SENTENCES[:200]]
    with pytest.raises(UserError, match="every sentence fills the 24 tokens"):
        m2m.align(Words(), Reader(), long, **OPTIONS)
