"""``adapter.json``: typed, complete, covered by a checksum, and checked before it is written."""

from __future__ import annotations

import json
import math
import random
import re
import time
import typing
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import structs
from records import change_record

import m2m_adapters as m2m
from m2m_adapters.alignment.recipes import Recipe
from m2m_adapters.artifact import codec
from m2m_adapters.artifact.card import card
from m2m_adapters.artifact.codec import checksum, decode_record, encode_record, read_record
from m2m_adapters.artifact.record import (
    FORMAT,
    ORIGINS_LIMIT,
    CurvePoint,
    OriginRecord,
    RecipeRecord,
    Record,
)
from m2m_adapters.errors import UserError
from m2m_adapters.testing import AffineTarget, ToySource, toy_sentences

SENTENCES = list(toy_sentences(200))


def aligned(**changes: Any) -> m2m.Adapter:
    return m2m.align("toy-source", "toy-target", SENTENCES, progress=False, store=False,
                     **{"recipe": "closed-form", **changes})  # fmt: skip


@pytest.fixture(scope="module")
def record() -> Record:
    return aligned().record


def test_what_is_written_is_what_is_read(record: Record) -> None:
    assert decode_record(encode_record(record), "here") == record


def test_every_parameter_of_a_recipe_is_recorded() -> None:
    recorded = set(RecipeRecord.__struct_fields__) - {"seed"}
    assert recorded == {field.name for field in fields(Recipe)}


def test_any_flipped_bit_is_noticed(record: Record) -> None:
    raw = encode_record(record)
    dice = random.Random(5)
    for _ in range(3000):
        place, bit = dice.randrange(len(raw)), dice.randrange(8)
        damaged = bytearray(raw)
        damaged[place] ^= 1 << bit
        try:
            read = decode_record(bytes(damaged), "here")
        except UserError:
            continue
        assert read == record  # white space, or another spelling of the same number


@pytest.mark.parametrize(("old", "new"), [
    ('"normalize": true', '"oormalize": true'), ('"normalize": true', '"normalize": false'),
    ('"activation": "none"', '"activation": "relu"'), ('"residual": false', '"residual": true'),
    ('"top1": ', '"top1": 1'), ('"checksum": "', '"checksum": "0'), ('"checksum"', '"checksun"'),
])  # fmt: skip
def test_changes_by_hand_are_refused(record: Record, old: str, new: str) -> None:
    text = encode_record(record).decode()
    assert old in text
    with pytest.raises(UserError, match=r"checksum differs|unknown key|lacks"):
        decode_record(text.replace(old, new, 1).encode(), "here")


def test_every_key_is_required_and_no_other_is_taken(tmp_path: Path) -> None:
    folder = aligned().save(tmp_path / "a")
    content = json.loads((folder / "adapter.json").read_text())
    for section in ("projector", "weights", "source", "target", "recipe", "corpus", "held_out"):
        for key in content[section]:
            if section == "projector" and key == "arguments":
                continue
            change_record(folder, lambda r, s=section, k=key: r[s].pop(k))  # type: ignore[misc]
            with pytest.raises(UserError, match=f"lacks '{section}.{key}'"):
                read_record(folder)
            value = content[section][key]
            change_record(folder, lambda r, s=section, k=key, v=value: r[s].update({k: v}))  # type: ignore[misc]
        change_record(folder, lambda r, s=section: r[s].update(extra=1))  # type: ignore[misc]
        with pytest.raises(UserError, match=f"unknown key '{section}.extra'"):
            read_record(folder)
        change_record(folder, lambda r, s=section: r[s].pop("extra"))  # type: ignore[misc]
    assert read_record(folder)


@pytest.mark.parametrize("change", [
    {"growth": [1]}, {"corpus": 5}, {"evaluation": "x"}, {"curve": {}}, {"held_out": []},
    {"versions": {"torch": 2}}, {"hub": {"repo": "a/b", "commit": "../../etc"}}, {"imported": 1},
    {"evaluation": [{"benchmark": "old"}]}, {"recipe": {"name": "auto"}}, {"weights": None},
])  # fmt: skip
def test_old_and_hostile_records_are_refused_in_one_line(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    folder = aligned().save(tmp_path / "a")
    change_record(folder, lambda r: r.update(change))
    with pytest.raises(UserError) as refused:
        m2m.load_adapter(folder)
    assert "\n" not in str(refused.value) and f"'{next(iter(change))}" in str(refused.value)


def test_parts_with_odd_values_of_their_own_still_have_a_card(tmp_path: Path) -> None:
    folder = aligned().save(tmp_path / "a")
    odd = {"license": 5, "parts": 7, "model": ["x"]}
    change_record(folder, lambda r: r["source"].update(provenance=odd))
    assert "| provenance |" in card(read_record(folder))


def test_lone_surrogates_are_refused(tmp_path: Path) -> None:
    folder = aligned().save(tmp_path / "a")
    change_record(folder, lambda r: r["source"].update(provenance={"x": "\ud800"}))
    with pytest.raises(UserError, match=r"adapter\.json"):
        m2m.load_adapter(folder)


def test_a_loss_that_is_no_number_is_null_or_refused(record: Record) -> None:
    lost = structs.replace(record, curve=[CurvePoint(epoch=0, held_out_loss=None)])
    assert decode_record(encode_record(lost), "here").curve[0].held_out_loss is None
    with pytest.raises(UserError, match="see 'curve'"):
        encode_record(structs.replace(record, curve=[CurvePoint(epoch=0, held_out_loss=math.nan)]))


def test_an_unwritable_record_spares_the_older_adapter(tmp_path: Path) -> None:
    adapter = aligned()
    adapter.save(tmp_path / "a")
    before = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()}
    adapter.record = structs.replace(
        adapter.record, curve=[CurvePoint(epoch=0, held_out_loss=math.inf)]
    )
    with pytest.raises(UserError):
        adapter.save(tmp_path / "a")
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir()} == before


class Odd(ToySource):
    """A source whose attributes are set by the test; it counts what it encoded."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.encoded = 0
        for name, value in attributes.items():
            setattr(self, name, value)

    def encode(self, texts: Any, **options: Any) -> Any:
        self.encoded += len(texts)
        return super().encode(texts, **options)


@pytest.mark.parametrize("attributes", [
    {"max_tokens": "x"}, {"max_tokens": 1.5}, {"provenance_": {"p": Path("x")}},
    {"provenance_": {"p": math.nan}}, {"provenance_": [1]}, {"fingerprint": 5},
])  # fmt: skip
def test_attributes_that_cannot_be_recorded_are_refused_before_the_work(
    attributes: dict[str, Any],
) -> None:
    class Given(Odd):
        provenance = attributes.get("provenance_", {})  # type: ignore[assignment]
        fingerprint = attributes.get("fingerprint", "fixed")  # type: ignore[assignment]

    source = Given(**{k: v for k, v in attributes.items() if k == "max_tokens"})
    with pytest.raises(UserError, match=r"source .*Given"):
        m2m.align(source, AffineTarget(), SENTENCES, progress=False, store=False)
    assert source.encoded == 0


def test_whole_numbers_of_numpy_are_recorded() -> None:
    made = m2m.align(Odd(max_tokens=np.int64(5)), AffineTarget(), SENTENCES, progress=False,
                     recipe="closed-form", store=False)  # fmt: skip
    assert made.record.source.max_tokens == 5 and encode_record(made.record)


def test_a_corpus_of_many_files_has_a_short_record_and_card(tmp_path: Path) -> None:
    for number in range(3000):
        (tmp_path / f"{'long' * 40}{number}.txt").write_text(f"a dog with {number} legs\n")
    began = time.perf_counter()
    made = m2m.align("toy-source", "toy-target", sorted(tmp_path.glob("*.txt")), progress=False,
                     store=False, recipe="closed-form")  # fmt: skip
    corpus = made.record.corpus
    assert corpus is not None and corpus.origins_total == 3000
    assert len(corpus.origins) == ORIGINS_LIMIT
    shown = card(made.record)
    assert len(shown.splitlines()) < 120 and "2,992 more" in shown
    assert len(encode_record(made.record)) < 40_000
    assert time.perf_counter() - began < 60


def test_origins_are_kinds_and_no_card_shows_where_a_file_lay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "captions.txt").write_text("\n".join(SENTENCES))
    adapter = m2m.align("toy-source", "toy-target", tmp_path / "captions.txt", progress=False,
                        recipe="closed-form", store=False)  # fmt: skip
    assert adapter.record.corpus is not None
    assert adapter.record.corpus.origins == [
        OriginRecord(kind="file", path=(tmp_path / "captions.txt").as_posix())
    ]
    assert "from captions.txt" in card(adapter.record)
    assert str(tmp_path) not in card(adapter.record)
    monkeypatch.chdir(tmp_path)
    here = m2m.align("toy-source", "toy-target", "captions.txt", progress=False,
                     recipe="closed-form", store=False)  # fmt: skip
    assert here.record.corpus is not None
    assert here.record.corpus.origins == [OriginRecord(kind="file", path="captions.txt")]
    memory = aligned().record.corpus
    assert memory is not None and memory.origins == [OriginRecord(kind="memory")]


def test_a_file_name_that_is_no_utf8(tmp_path: Path) -> None:
    name = b"caf\xe9.txt"
    path = tmp_path / name.decode("utf-8", "surrogateescape")
    path.write_text("\n".join(SENTENCES))
    made = m2m.align("toy-source", "toy-target", path, progress=False, store=False,
                     recipe="closed-form")  # fmt: skip
    made.save(tmp_path / "out")
    assert r"caf\xe9.txt" in (tmp_path / "out" / "adapter.json").read_text().replace("\\\\", "\\")


def test_the_card_shows_markup_of_others_as_text(record: Record) -> None:
    evil = '"><script>alert(1)</script>|![x](http://x)\n# head'
    hostile = structs.replace(
        record,
        source=structs.replace(record.source, name=None, class_name=evil,
                               provenance={evil: evil, "folder": "/home/me/secret/model"}),
        corpus=structs.replace(record.corpus, origins=[OriginRecord(kind="name", name=evil)],
                               stopped=evil),
        recipe=structs.replace(record.recipe, loss=evil),
    )  # fmt: skip
    text = card(hostile)
    rendered = re.sub(r"`[^`\n]*`", "", text)
    assert "<script" not in rendered and not re.search(r"(?<!\\)\]\(http", rendered)
    assert "\n# head" not in text and "/home/me" not in text and "folder: model" in text


def test_the_license_above_agrees_with_the_words_below(record: Record) -> None:
    known = structs.replace(record.source, provenance={"license": "apache-2.0"})
    also = structs.replace(record.target, provenance={"license": "mit"})
    text = card(structs.replace(record, source=known, target=also))
    assert "license: apache-2.0" in text
    assert "The license of the corpus is not recorded; the license above is that of" in text


def test_structures_cannot_be_changed(record: Record) -> None:
    with pytest.raises(AttributeError):
        record.source.name = "other"  # type: ignore[misc]
    assert msgspec.to_builtins(record) == record.to_dict()


def test_the_training_checkpoint_stays_until_the_adapter_is_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from m2m_adapters.alignment import checkpoint
    from m2m_adapters.embeddings.store import Store

    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    monkeypatch.setattr(checkpoint.Checkpoint.__init__, "__defaults__", (0.0,))
    made = m2m.align("toy-source", "toy-target", SENTENCES, recipe="paper", epochs=3,
                     progress=False, store=Store(tmp_path / "store"))  # fmt: skip
    training = tmp_path / "store" / "training"
    assert len(list(training.glob("*.pt"))) == 1
    (tmp_path / "full").write_text("a file where the folder should be")
    with pytest.raises(UserError):
        made.save(tmp_path / "full")
    assert len(list(training.glob("*.pt"))) == 1
    made.save(tmp_path / "a")
    assert not list(training.glob("*.pt"))


@pytest.mark.parametrize("where", ["thesis", ".", "thesis/thesis.txt"])
def test_the_command_refuses_the_place_before_it_reads_a_sentence(
    tmp_path: Path, where: str
) -> None:
    from fake_dist import run_m2m

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years")
    done = run_m2m("align", "-s", "toy-source", "-t", "toy-target", "--texts", "missing.txt",
                   "--out", where, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 2 and "missing.txt" not in done.stderr
    assert "contains files that m2m did not write" in done.stderr or "is a file" in done.stderr
    assert (tmp_path / "thesis" / "thesis.txt").read_text() == "years"


def keys_of(kind: Any, prefix: str = "") -> set[str]:
    """Every key of a structure as docs/artifact.md writes it."""
    keys: set[str] = set()
    for field in msgspec.structs.fields(kind):
        name = f"{prefix}{field.encode_name}"
        keys.add(name)
        for inner in (field.type, *typing.get_args(field.type)):
            if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
                keys |= keys_of(inner, f"{name}.")
            for deeper in typing.get_args(inner):
                if isinstance(deeper, type) and issubclass(deeper, msgspec.Struct):
                    keys |= keys_of(deeper, f"{name}.")
        origin = typing.get_origin(field.type)
        if origin in (list, dict):
            sign = "[]" if origin is list else "{}"
            keys = {re.sub(rf"^{re.escape(name)}\.", f"{name}{sign}.", key) for key in keys}
    return keys


def test_the_document_names_every_key_and_no_other() -> None:
    text = (Path(__file__).parent.parent / "docs" / "artifact.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([a-z_0-9.\[\]{}]+)` \|", text, re.MULTILINE))
    documented -= {f"{name}.safetensors" for name in ("adapter", "bank", "languages")}
    documented -= {"adapter.json"}
    expected = keys_of(Record) | {"checksum"}
    expected -= {key for key in expected if key.startswith("target.options.")}  # as the source's
    assert documented == expected


def test_another_format_says_who_is_too_old(record: Record) -> None:
    def refused(version: object) -> UserError:
        content = {**json.loads(encode_record(record)), "format": version}
        with pytest.raises(UserError, match="this release reads") as caught:
            decode_record(json.dumps(content).encode(), "here")
        return caught.value

    assert refused(FORMAT + 1).remedy == "upgrade m2m-adapters"
    for older in (FORMAT - 1, True, "9", None):
        assert refused(older).remedy == "make the adapter again"
    assert refused("9" * 99).what.startswith(f"here has format {'9' * 40};")


def test_a_record_may_be_as_long_as_is_read_and_no_longer(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(encode_record(record))
    monkeypatch.setattr(codec, "JSON_LIMIT", size)
    assert len(encode_record(record)) == size
    monkeypatch.setattr(codec, "JSON_LIMIT", size - 1)
    with pytest.raises(UserError, match=f"would have {size:,} bytes"):
        encode_record(record)


def test_the_checksum_does_not_depend_on_the_order_of_keys() -> None:
    assert checksum({"a": 1, "b": {"c": 2, "d": 3}}) == checksum({"b": {"d": 3, "c": 2}, "a": 1})
    assert checksum({"a": 1}) != checksum({"a": 2})
