"""What a picture of the drawable world shows, as labels, and how answers are counted."""

import numpy as np
from m2m_tiny import drawable
from m2m_tiny.corpora import drawable_captions
from m2m_tiny.reader import CLASSES, accuracy, labels, new_reader

PAIR = {
    "kind": "two",
    "objs": [
        {"shape": "star", "color": "red", "size": None, "tex": None},
        {"shape": "heart", "color": "black", "size": None, "tex": None},
    ],
    "rel": "right",
}
ALONE = {"kind": "one", "objs": PAIR["objs"][:1], "pos": "tl"}


def test_labels_go_by_what_is_seen():
    mirrored = {**PAIR, "rel": "left", "objs": PAIR["objs"][::-1]}
    a, b = labels([PAIR, mirrored])
    assert np.array_equal(a, b)  # "a right of b" and "b left of a" look alike
    row = drawable.PLACES.index("row")
    heart, star = (drawable.SHAPES.index(s) for s in ("heart", "star"))
    black, red = (drawable.COLORS.index(c) for c in ("black", "red"))
    assert a.tolist() == [row, heart, black, star, red]
    none = [len(drawable.SHAPES), len(drawable.COLORS)]
    assert labels([ALONE])[0].tolist() == [drawable.PLACES.index("tl"), star, red, *none]


def shares(found, truth):
    return {name: one.value for name, one in accuracy(found, truth).items()}


def test_absent_objects_count_for_nothing_but_exactness():
    truth = labels([PAIR, ALONE])
    assert set(shares(truth, truth).values()) == {1.0}
    wrong = truth.copy()
    wrong[1, 3:] = 0  # a second object where there is none
    told = shares(wrong, truth)
    assert told["shape"] == told["color"] == told["attributes"] == 1.0 and told["exact"] == 0.5
    wrong = truth.copy()
    wrong[0, 1] += 1
    assert shares(wrong, truth)["shape"] == 2 / 3 and shares(wrong, truth)["attributes"] == 7 / 8


def test_the_reader_answers_every_question():
    import torch

    assert new_reader().eval()(torch.zeros(2, 3, 40, 40)).shape == (2, sum(CLASSES))


def test_captions_never_tell_of_held_out_scenes():
    import random

    from m2m_tiny.captions import LANGUAGES, caption

    told = set(drawable_captions(3000))
    assert len(told) == 3000 and "en" in LANGUAGES
    rng = random.Random(0)
    held_out = {caption(scene, "en", rng) for scene in drawable.split()[1] for _ in range(3)}
    assert not told & held_out
