"""Strategies of inputs that nobody wrote by hand, and the one rule that they must obey.

``make test`` tries 200 of each kind, ``make fuzz`` 10,000 (``M2M_FUZZ`` says another number). What
ever failed lies in ``.hypothesis/`` and is tried first the next time.
"""

from __future__ import annotations

import io
import os
import string
import warnings
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from m2m_adapters.errors import UserError

T = TypeVar("T")

FUZZ = settings(
    max_examples=int(os.environ.get("M2M_FUZZ", "200")),
    deadline=timedelta(seconds=20),  # a hang
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)


def outcome(work: Callable[[], T]) -> T | UserError:
    """What ``work`` returns or the user's error; any other exception is a defect of ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return work()
        except UserError as error:
            assert error.what and len(str(error).splitlines()) == 1, repr(str(error))
            return error


# --- strategies ------------------------------------------------------------------------------

letters = st.text(string.ascii_letters + "äß日本اع \u200b\u0301", min_size=1, max_size=12)
texts = st.one_of(letters, st.text(st.characters(codec="utf-8"), max_size=20))
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([10**400, -(10**30), "\ud800", "../x", "/etc/passwd", "", " ", "\0", "en"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, good: bytes) -> bytes:
    """Bytes with a few changes: flipped, cut out, doubled, overwritten or cut off."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(1, 8))
        how = draw(st.sampled_from(["flip", "cut", "double", "write", "end", "number"]))
        if how == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del data[at : at + length]
        elif how == "double":
            data[at:at] = data[at : at + length]
        elif how == "write":
            data[at : at + length] = draw(st.binary(max_size=8))
        elif how == "end":
            del data[at:]
        else:
            data[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]))
    return bytes(data)


@st.composite
def changed(draw: st.DrawFn, content: object) -> object:
    """Plain data with one value somewhere replaced, removed or added."""
    if isinstance(content, dict) and content and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(content)))
        return {**content, key: draw(changed(content[key]))}
    if isinstance(content, list) and content and draw(st.integers(0, 3)):
        at = draw(st.integers(0, len(content) - 1))
        return [*content[:at], draw(changed(content[at])), *content[at + 1 :]]
    if isinstance(content, dict) and content and draw(st.booleans()):
        gone = draw(st.sampled_from(sorted(content)))
        return {key: value for key, value in content.items() if key != gone}
    if isinstance(content, dict) and draw(st.booleans()):
        return {**content, draw(st.text(max_size=8)): draw(anything)}
    return draw(anything)


def parquet(columns: dict[str, list[Any]]) -> bytes:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()
