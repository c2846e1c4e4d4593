"""Several recipes on the same vectors, ranked."""

from __future__ import annotations

from typing import Any

import pytest

import m2m_adapters as m2m
from m2m_adapters.alignment.sweep import parse_axis
from m2m_adapters.errors import UserError
from m2m_adapters.testing import toy_sentences

SENTENCES = list(toy_sentences(300))


def test_every_point_is_tried_and_the_best_comes_first() -> None:
    tried = m2m.sweep(
        "toy-source", "toy-target", SENTENCES, ["recipe=auto,closed-form", "ridge=0.01,10"],
        progress=False, store=False,
    )  # fmt: skip
    assert len(tried) == 4
    scores = [one.figures["top-1"] for one in tried]
    assert scores == sorted(scores, reverse=True)
    assert {one.values["recipe"] for one in tried} == {"auto", "closed-form"}
    assert set(tried[0].to_dict()) == {"values", "held_out"}


def test_texts_that_can_be_read_once_serve_every_point() -> None:
    tried = m2m.sweep(
        "toy-source", "toy-target", (text for text in SENTENCES), ["ridge=0.01,10"],
        max_sentences=200, progress=False, store=False,
    )  # fmt: skip
    assert [one.adapter.record.corpus.sentences for one in tried] == [200, 200]  # type: ignore[union-attr]


@pytest.mark.parametrize(("axis", "expected"), [
    ("ridge=0.01,0.1", ("ridge", [0.01, 0.1])), ("layers=1,2", ("layers", [1, 2])),
    ("residual=true,false", ("residual", [True, False])),
])  # fmt: skip
def test_axes_are_typed(axis: str, expected: tuple[str, list[Any]]) -> None:
    assert parse_axis(axis) == expected


@pytest.mark.parametrize("axis", ["ridge", "ridge=", "color=red", "layers=two", "residual=maybe"])
def test_bad_axes_are_refused(axis: str) -> None:
    with pytest.raises(UserError):
        parse_axis(axis)
