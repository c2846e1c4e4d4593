"""Published benchmarks in the layouts in which they are published, made small here."""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m2m_adapters.errors import UserError
from m2m_adapters.evaluation import Benchmark
from m2m_adapters.evaluation.datasets import READERS
from m2m_adapters.evaluation.find import load_benchmark

NAMES = [f"COCO_train2014_{i:012d}.jpg" for i in range(4)]


def touch(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")


def write(path: Path, lines: Sequence[str], *, last_newline: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "\n".join(lines) + ("\n" if last_newline else "")
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def write_csv(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


def xtd(folder: Path, names: Sequence[str] = NAMES, items: bool = True) -> Path:
    write(folder / "XTD10/test_image_names.txt", names)
    for place, code in (("XTD10", "en"), ("XTD10", "zh"), ("MIC", "de"), ("STAIR", "jp")):
        write(folder / place / f"test_1kcaptions_{code}.txt",
              [f"{code} caption {i}" for i in range(len(names))],
              last_newline=code == "en")  # fmt: skip
    if items:
        touch(folder / "images", names)
    return folder


def multi30k(folder: Path) -> Path:
    write(folder / "data/task1/image_splits/test_2016_flickr.txt", ["1.jpg", "2.jpg", "3.jpg"])
    write(folder / "data/task1/image_splits/test_2017_mscoco.txt", ["9.jpg#4", "8.jpg#1"])
    for code in ("en", "de", "fr", "cs"):
        write(folder / f"data/task1/raw/test_2016_flickr.{code}.gz", [f"{code} {i}" for i in "123"])
    write(folder / "data/task1/raw/test_2017_mscoco.en", ["nine", "eight"])
    touch(folder / "flickr30k-images", ["1.jpg", "2.jpg", "3.jpg", "8.jpg", "9.jpg"])
    return folder


def xm3600(folder: Path) -> Path:
    lines = []
    for key in ("00a", "0b1", "f2c"):
        record: dict[str, Any] = {"image/key": key, "image/locale": "sw"}
        for code in ("en", "quz", "fil", "no"):
            texts = [f"{code} {key} {i}" for i in range(3 if code == "en" else 2)]
            record[code] = {"caption": texts, "caption/tokenized": [t.split() for t in texts]}
        lines.append(json.dumps(record))
    write(folder / "captions.jsonl", lines)
    touch(folder / "images", ["00a.jpg", "0b1.jpg", "f2c.jpg"])
    return folder


def mscoco(folder: Path) -> Path:
    header = ["file_name", "image_name", "caption", "Russian", "Chinese (Simplified)", "Arabic"]
    rows = [[n, n, f"en {n}", f"ru {n}", f"zh, {n}", f"ar\n{n}"] for n in NAMES]
    rows.append([NAMES[0], NAMES[0], "again", "", "", ""])
    write_csv(folder / "test/metadata.csv", [header, *rows])
    touch(folder / "test", NAMES)
    return folder


def audiocaps(folder: Path) -> Path:
    rows = [[100 + 5 * c + i, f"yt{c}", 30 * c, f"clip {c} caption {i}"]
            for c in range(4) for i in range(5)]  # fmt: skip
    write_csv(folder / "dataset/test.csv",
              [["audiocap_id", "youtube_id", "start_time", "caption"], *rows])  # fmt: skip
    # Four habits of naming the clips.
    touch(folder / "audio", ["yt0.wav", "Yyt1.wav", "yt2_60.wav", "115.wav"])
    return folder


def audiocaps_multilingual(folder: Path) -> Path:
    header = ["file_name", "audio_name", "caption", "Hindi", "German"]
    rows = [[f"yt{c}.wav", f"yt{c}", f"en {c} {i}", f"hi {c} {i}", f"de {c} {i}"]
            for c in range(3) for i in range(5)]  # fmt: skip
    write_csv(folder / "test/metadata.csv", [header, *rows])
    touch(folder / "test", ["yt0.wav", "yt1.wav", "yt2.wav"])
    return folder


def clotho(folder: Path) -> Path:
    rows = [[f"A sound, {i}.wav", *(f"sound {i} caption {k}" for k in range(5))] for i in range(3)]
    write_csv(folder / "clotho_captions_evaluation.csv",
              [["file_name", *(f"caption_{k}" for k in range(1, 6))], *rows])  # fmt: skip
    touch(folder / "evaluation", [f"A sound, {i}.wav" for i in range(3)])
    return folder


def clotho_multilingual(folder: Path) -> Path:
    """As the hub stores data sets: shards of parquet with the sounds inside."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for shard in range(2):
        rows = [
            {"audio": {"bytes": b"RIFF" + bytes([c]), "path": f"{c}.wav"}, "audio_name": f"{c}.wav",
             "caption": f"en {c} {i}", "Spanish": f"es {c} {i}", "Swahili": f"sw {c} {i}"}
            for c in (2 * shard, 2 * shard + 1) for i in range(5)
        ]  # fmt: skip
        path = folder / f"data/test-{shard:05d}-of-00002.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows), path)
    return folder


LAYOUTS: dict[str, tuple[str, Any, int, dict[str, int]]] = {
    "xtd10": ("xtd10", xtd, 4, {"en": 4, "de": 4, "ja": 4, "zh": 4}),
    "multi30k": ("multi30k", multi30k, 3, {"en": 3, "cs": 3, "de": 3, "fr": 3}),
    "xm3600": ("xm3600", xm3600, 3, {"en": 9, "fil": 6, "no": 6, "qu": 6}),
    "mscoco": ("mscoco-multilingual", mscoco, 4, {"en": 5, "ar": 4, "ru": 4, "zh": 4}),
    "audiocaps": ("audiocaps", audiocaps, 4, {"en": 20}),
    "audiocaps multilingual": ("audiocaps", audiocaps_multilingual, 3,
                               {"en": 15, "de": 15, "hi": 15}),
    "clotho": ("clotho", clotho, 3, {"en": 15}),
    "clotho multilingual": ("clotho", clotho_multilingual, 4, {"en": 20, "es": 20, "sw": 20}),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
def test_published_layouts(layout: str, tmp_path: Path) -> None:
    name, make, items, captions = LAYOUTS[layout]
    found = load_benchmark(name, data=make(tmp_path))
    assert len(found.items) == items and found.missing == []
    assert found.modality == READERS[name].modality and found.license
    assert {code: len(found.captions[code]) for code in found.languages} == captions
    for code, owners in found.owners.items():
        # Every caption in these folders names its item's number or name.
        for text, owner in zip(found.captions[code], owners, strict=True):
            if layout.startswith(("clotho", "audiocaps")):
                number = next(word for word in text.split() if word.isdigit())
                assert number in found.item_name(owner), (text, found.item_name(owner))
            elif layout == "xtd10":
                assert int(text.split()[-1]) == owner
            elif layout == "xm3600":
                assert text.split()[1] == found.item_name(owner)
    assert load_benchmark(f"{name}:{tmp_path}").digest == found.digest


def test_items_are_read_where_they_lie(tmp_path: Path) -> None:
    found = load_benchmark("xtd10", data=xtd(tmp_path))
    assert [Path(i) for i in found.items] == [tmp_path / "images" / n for n in NAMES]
    inside = load_benchmark("clotho", data=clotho_multilingual(tmp_path / "c"))
    assert inside.items[3] == b"RIFF\x03" and inside.item_name(3) == "3.wav"


def test_items_elsewhere_and_splits(tmp_path: Path) -> None:
    xtd(tmp_path / "text", items=False)
    touch(tmp_path / "coco/train2014", NAMES)
    found = load_benchmark("xtd10", data=tmp_path / "text", items=tmp_path / "coco")
    assert len(found.items) == 4
    other = load_benchmark("multi30k", data=multi30k(tmp_path / "m"), split="test_2017_mscoco")
    assert other.captions["en"] == ["nine", "eight"] and other.item_name(0) == "9.jpg"
    with pytest.raises(UserError, match="has no split 'test'; it has test_2016_flickr"):
        load_benchmark("multi30k", data=tmp_path / "m", split="test")


@pytest.mark.parametrize("layout", ["xtd10", "xm3600", "clotho", "audiocaps"])
def test_missing_items(layout: str, tmp_path: Path) -> None:
    name, make, items, _ = LAYOUTS[layout]
    make(tmp_path)
    there = [p for p in tmp_path.rglob("*") if p.is_file() and p.read_bytes() == b"pixels"]
    gone = sorted(there)[1]
    whole = load_benchmark(name, data=tmp_path)
    gone.unlink()
    with pytest.raises(UserError, match=rf"1 of {items} items .*--allow-missing"):
        load_benchmark(name, data=tmp_path)
    found = load_benchmark(name, data=tmp_path, allow_missing=True)
    assert len(found.items) == items - 1 and len(found.missing) == 1
    assert found.describe()["missing"] == 1
    assert found.describe()["missing items"] == list(found.missing)
    left = [t for t, o in zip(whole.captions["en"], whole.owners["en"], strict=True)
            if whole.item_name(o) != found.missing[0]]  # fmt: skip
    assert found.captions["en"] == left


def test_nothing_there_is_an_error_even_then(tmp_path: Path) -> None:
    xtd(tmp_path, items=False)
    with pytest.raises(UserError, match="4 of 4 items"):
        load_benchmark("xtd10", data=tmp_path, allow_missing=True)


def test_lines_that_do_not_match(tmp_path: Path) -> None:
    xtd(tmp_path)
    write(tmp_path / "MIC/test_1kcaptions_de.txt", ["nur eine Zeile"])
    with pytest.raises(UserError, match=r"de.txt has 1 lines, test_image_names.txt has 4"):
        load_benchmark("xtd10", data=tmp_path)


def test_separators_inside_a_caption_shift_nothing(tmp_path: Path) -> None:
    xtd(tmp_path)
    lines = ["one\u2028two", "three\x85four", "five\x0bsix", "seven"]
    write(tmp_path / "MIC/test_1kcaptions_de.txt", lines)
    found = load_benchmark("xtd10", data=tmp_path)
    assert found.captions["de"] == lines


# --- a user's own table --------------------------------------------------------------------

OWN = [
    {"item": "a.png", "language": "en", "caption": "a red square"},
    {"item": "b.png", "language": "en", "caption": "a blue circle"},
    {"item": "b.png", "language": "eng_Latn", "caption": "a round blue thing"},
    {"item": "a.png", "language": "arb_Arab", "caption": "مربع أحمر"},
    {"item": "b.png", "language": "jp", "caption": "青い丸"},
]


def own(folder: Path, kind: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    touch(folder / "pictures", ["a.png", "b.png"])
    header = ["item", "language", "caption"]
    path = folder / f"captions.{kind}"
    if kind.startswith("jsonl"):
        write(path, [json.dumps(row, ensure_ascii=False) for row in OWN])
    elif kind == "parquet":
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(OWN), path)
    elif kind == "nested.jsonl":
        path = folder / "captions.jsonl"
        write(path, [
            json.dumps({"image": "a.png", "captions": {"en": ["a red square"], "ar": "مربع أحمر"}}),
            json.dumps({"image": "b.png", "captions": {
                "en": ["a blue circle", "a round blue thing"], "ja": "青い丸"}}),
        ])  # fmt: skip
    elif kind == "wide.csv":
        path = folder / "captions.csv"
        write_csv(path, [["id", "path", "English", "Arabic", "ja"],
                         ["1", "a.png", "a red square", "مربع أحمر", ""],
                         ["2", "b.png", "a blue circle", "", "青い丸"],
                         ["3", "b.png", "a round blue thing", "", ""]])  # fmt: skip
    else:
        separator = "\t" if kind == "tsv" else ","
        write(path, [separator.join(header), *(separator.join(r.values()) for r in OWN)])
    return path


@pytest.mark.parametrize(
    "kind", ["jsonl", "jsonl.gz", "csv", "tsv", "parquet", "nested.jsonl", "wide.csv"]
)
def test_own_tables(kind: str, tmp_path: Path) -> None:
    path = own(tmp_path / "mine", kind)
    found = load_benchmark(str(tmp_path / "mine"))
    assert (found.name, found.modality) == ("mine", "image")
    assert dict(found.captions) == {
        "en": ["a red square", "a blue circle", "a round blue thing"],
        "ar": ["مربع أحمر"], "ja": ["青い丸"]}  # fmt: skip
    assert {c: o.tolist() for c, o in found.owners.items()} == {
        "en": [0, 1, 1], "ar": [0], "ja": [1]}  # fmt: skip
    assert [Path(i).name for i in found.items] == ["a.png", "b.png"]
    assert load_benchmark(str(path)).digest == found.digest
    assert load_benchmark("table", data=path).digest == found.digest


@pytest.mark.parametrize("modality", ["image", "video"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_table_cannot_name_files_outside_its_folder(
    modality: str, absolute: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suffix = "png" if modality == "image" else "npy"
    touch(tmp_path, [f"secret.{suffix}"])
    touch(tmp_path / "mine" / "in", [f"a.{suffix}"])
    secret = str(tmp_path / f"secret.{suffix}") if absolute else f"../secret.{suffix}"
    write(tmp_path / "mine" / "captions.csv", [
        "item,language,caption", f"in/../in/a.{suffix},en,a dog", f"{secret},en,a cat"])  # fmt: skip
    with pytest.raises(UserError, match=r"1 of 2 items of 'mine' are not in"):
        load_benchmark(str(tmp_path / "mine"), modality=modality)
    monkeypatch.chdir(tmp_path / "mine")
    with pytest.raises(UserError, match=r"1 of 2 items of 'mine' are not in"):
        load_benchmark(".", modality=modality)
    found = load_benchmark("captions.csv", modality=modality, allow_missing=True)
    assert [Path(str(item)).name for item in found.items] == [f"a.{suffix}"]


def test_own_items_of_another_kind(tmp_path: Path) -> None:
    """Where items are not files the target takes their names."""
    write(tmp_path / "captions.csv", ["item,language,caption", "a red dog,de,ein roter Hund"])
    found = load_benchmark(str(tmp_path), modality="words")
    assert list(found.items) == ["a red dog"] and found.modality == "words"
    with pytest.raises(UserError, match="images or sounds"):
        load_benchmark(str(tmp_path))


BAD = {
    "no columns": ("captions.csv", "a,b\n1,2\n", "cannot tell items and captions apart"),
    "short row": ("captions.csv", "item,language,caption\nx.png,en\n", "line 2: 2 columns"),
    "no language": ("captions.csv", "item,language,caption\nx.png,,hi\n", "row 1: no language"),
    "no item": ("captions.csv", "item,language,caption\n,en,hi\n", "the item has no name"),
    "no rows": ("captions.csv", "item,language,caption\n", "holds no caption"),
    "empty": ("captions.jsonl", "", "holds no caption"),
    "not json": ("captions.jsonl", "{nope\n", "line 1: not a JSON object"),
    "a list": ("captions.jsonl", "[1]\n", "line 1: not a JSON object"),
    "a number": ("captions.jsonl", '{"item": "x.png", "language": "en", "caption": 3}\n',
                 "a caption is int, not text"),
    "not parquet": ("captions.parquet", "PAR?", "not a readable parquet file"),
    "not utf-8": ("captions.csv", b"item,language,caption\nx.png,de,\xff\n", "line 2: not valid UTF-8"),
    "no file": ("captions.csv", "item,language,caption\nx.png,en,hi\n", "1 of 1 items"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(case: str, tmp_path: Path) -> None:
    name, text, told = BAD[case]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=told):
        load_benchmark(str(tmp_path))


def test_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2M_DATA", str(tmp_path))
    with pytest.raises(UserError, match="not on this machine; run `m2m fetch xtd10`"):
        load_benchmark("xtd10")
    xtd(tmp_path / "xtd10")
    assert isinstance(load_benchmark("xtd10"), Benchmark)
    with pytest.raises(UserError, match="holds no captions file"):
        load_benchmark(str(tmp_path))
    with pytest.raises(UserError, match="both give a folder"):
        load_benchmark("xtd10:here", data="there")
    with pytest.raises(UserError, match="no benchmark is called 'xtd11'"):
        load_benchmark("xtd11")
    with pytest.raises(UserError, match="there is no folder"):
        load_benchmark("xtd10", data=tmp_path / "nowhere")
    with pytest.raises(UserError, match="is not read from a folder"):
        load_benchmark("other", data=tmp_path)


# --- the published files themselves --------------------------------------------------------


def published(name: str) -> Path:
    root = Path(os.environ.get("M2M_REFERENCE", Path(__file__).parents[2] / "shared/reference"))
    if not (root / name).is_dir():
        pytest.skip(f"the published text of {name} is not here (M2M_REFERENCE)")
    return root / name


def test_published_xtd10(tmp_path: Path) -> None:
    folder = published("xtd10")
    touch(tmp_path, (folder / "XTD10/test_image_names.txt").read_text().split())
    found = load_benchmark("xtd10", data=folder, items=tmp_path)
    assert found.languages == ["en", "de", "es", "fr", "it", "ja", "ko", "pl", "ru", "tr", "zh"]
    assert len(found.items) == 1000
    for code in found.languages:
        assert len(found.captions[code]) == 1000
        np.testing.assert_array_equal(found.owners[code], np.arange(1000))
    assert "pittsburgh pirates" in found.captions["es"][0]
    assert found.under("xtd").digest == found.digest


def test_published_multi30k(tmp_path: Path) -> None:
    folder = published("multi30k")
    names = (folder / "data/task1/image_splits/test_2016_flickr.txt").read_text().split()
    touch(tmp_path, names)
    found = load_benchmark("multi30k", data=folder, items=tmp_path)
    assert found.languages == ["en", "cs", "de", "fr"] and len(found.items) == 1000
    assert found.captions["de"][0].startswith("Ein Mann mit einem orangefarbenen Hut")


# --- the command ---------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user's own folder, items that are missing, languages by any name."""
    from m2m_cli.main import run
    from toy_media import save_picture

    import m2m_adapters as m2m
    from m2m_adapters.testing import AffineTarget, toy_sentences

    words = m2m.align("toy-source", "toy-target", list(toy_sentences(300)),
                      recipe="closed-form", progress=False).save(tmp_path / "words")  # fmt: skip

    def code(*arguments: str) -> int:
        with pytest.raises(SystemExit) as left:
            run(list(arguments))
        return int(left.value.code or 0)

    own = tmp_path / "own"
    texts = list(toy_sentences(20, seed=3))
    write_csv(own / "captions.csv", [["item", "language", "caption"],
                                     *([t, "eng_Latn", t] for t in texts),
                                     *([t, "jp", t[::-1]] for t in texts)])  # fmt: skip
    assert code("evaluate", str(words), "-b", str(own), "--langs", "Japanese", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    languages = told["systems"]["adapter"]["languages"]
    assert list(languages) == ["en", "ja"] and languages["en"]["text_to_item"]["R@10"][0] > 90
    other = m2m.align("toy-source", "toy-target", list(toy_sentences(40, seed=9)),
                      recipe="closed-form", progress=False).save(tmp_path / "other")  # fmt: skip
    beside = ("evaluate", str(words), "-b", str(own), "--json", "--against")
    assert code(*beside, str(other)) == 0
    told = json.loads(capsys.readouterr().out)
    both = [told["systems"][n]["averages"]["all languages"]["text_to_item"]["MRR"][0]
            for n in (str(other), "adapter")]  # fmt: skip
    found = told["compared with the adapter"][str(other)]["all languages"]["text_to_item"]["MRR"]
    assert both[0] != both[1] and found["low"] <= found["difference"] <= found["high"]
    assert found["difference"] == pytest.approx(both[0] - both[1], abs=0.02)
    assert code(*beside, str(words)) == 0
    twin = json.loads(capsys.readouterr().out)["compared with the adapter"][str(words)]
    assert twin["all languages"]["text_to_item"]["MRR"] == {
        "difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}  # fmt: skip
    narrow = m2m.align(m2m.load_adapter(words).source, AffineTarget(24), list(toy_sentences(300)),
                       recipe="closed-form", progress=False).save(tmp_path / "narrow")  # fmt: skip
    assert code(*beside, str(narrow)) == 2
    assert "has another target" in capsys.readouterr().err
    assert code("evaluate", str(words), "-b", "xtd10", "--data", str(tmp_path)) == 2
    assert "does not hold test_image_names.txt" in capsys.readouterr().err
    xtd(tmp_path / "xtd", items=False)
    save_picture(tmp_path / "xtd/images" / NAMES[0], "a dog")
    arguments = ("evaluate", str(words), "-b", "xtd10", "--data", str(tmp_path / "xtd"))
    assert code(*arguments) == 2
    assert "3 of 4 items of 'xtd10' are not in" in capsys.readouterr().err
    assert code(*arguments, "--allow-missing") == 2  # pictures, and the adapter leads to words
    told_err = capsys.readouterr().err
    assert f"left out 3 missing items: {NAMES[1]}" in told_err and "of kind image" in told_err
    assert code("list", "--benchmarks", "--json") == 0
    listed = {row["name"] for row in json.loads(capsys.readouterr().out)["benchmarks"]}
    assert set(READERS) <= listed
