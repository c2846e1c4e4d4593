"""Every way English text comes in, and every way it can be wrong."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from pathlib import Path

import pytest

from m2m_adapters.corpus.sentences import every_sentence, named, read_corpus
from m2m_adapters.errors import UserError

LINES = ["a dog barks", "two cats", "rain on a roof"]


def as_csv(lines: list[str], name: str = "caption") -> str:
    return f"id,{name}\n" + "".join(f'{i},"{line}"\n' for i, line in enumerate(lines))


FORMATS = {
    "a.txt": "\n".join(LINES),
    "a.csv": as_csv(LINES),
    "a.tsv": "id\ttext\n" + "".join(f"{i}\t{line}\n" for i, line in enumerate(LINES)),
    "a.jsonl": "".join(json.dumps({"n": 1, "sentence": line}) + "\n" for line in LINES),
    "b.jsonl": "".join(json.dumps(line) + "\n" for line in LINES),
    "c.jsonl": json.dumps({"captions": LINES}) + "\n",
    "lonely.csv": "\n".join(f"{line} here" for line in LINES),
    "train.en": "\n".join(LINES),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", FORMATS)
def test_formats(tmp_path: Path, name: str, zipped: bool) -> None:
    data = FORMATS[name].encode()
    path = tmp_path / (name + (".gz" if zipped else ""))
    path.write_bytes(gzip.compress(data) if zipped else data)
    expected = [f"{line} here" for line in LINES] if name == "lonely.csv" else LINES
    assert read_corpus(path).sentences == expected


@pytest.mark.parametrize("zipped", [False, True])
def test_parquet(tmp_path: Path, zipped: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1, 2, 3], "caption": LINES, "other": LINES[::-1]}), path)
    if zipped:
        path = tmp_path / "a.parquet.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read_corpus(path).sentences == LINES
    assert read_corpus(path, column="other").sentences == LINES[::-1]
    with pytest.raises(UserError, match="no column 'nope'"):
        read_corpus(path, column="nope")


def test_cleaning_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffcafe\u0301  x\r\n\n \t\ncaf\u00e9 x\nb\nb\n".encode())
    corpus = read_corpus(tmp_path / "a.txt")
    assert corpus.sentences == ["caf\u00e9 x", "b"]
    assert (corpus.read, corpus.empty, corpus.duplicates) == (6, 2, 2)


def test_folders_globs_and_several_at_once(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("two\n")
    (tmp_path / "sub" / "a.txt.gz").write_bytes(gzip.compress(b"three\n"))
    (tmp_path / "a.txt").write_text("one\n")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert read_corpus(tmp_path).sentences == ["one", "two", "three"]
    assert read_corpus(str(tmp_path / "*.txt")).sentences == ["one", "two"]
    assert read_corpus([tmp_path / "b.txt", tmp_path / "a.txt"]).sentences == ["two", "one"]
    assert read_corpus(["one", "two", "one"]).sentences == ["one", "two"]
    assert read_corpus(f"word {i}" for i in range(3)).sentences == ["word 0", "word 1", "word 2"]
    assert len(read_corpus("toy-sentences", max_sentences=50)) == 50


def test_a_word_is_not_taken_for_a_folder_or_a_pattern(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dogs").mkdir()
    (tmp_path / "dogs" / "a.txt").write_text("read\n")
    assert read_corpus(["dogs", "/", "what?", "**"]).sentences == ["dogs", "/", "what?", "**"]
    assert read_corpus([Path("dogs")]).sentences == ["read"]
    assert read_corpus("dogs").sentences == ["read"]


def test_the_sample_is_uniform_seeded_and_in_order() -> None:
    stream = [f"sentence {i}" for i in range(1000)]
    first = read_corpus(stream, max_sentences=100, seed=1)
    assert first.sentences == read_corpus(stream, max_sentences=100, seed=1).sentences
    assert first.sentences != read_corpus(stream, max_sentences=100, seed=2).sentences
    assert first.sampled_from == 1000
    assert first.sentences == sorted(first.sentences, key=lambda s: int(s.split()[1]))
    # Every tenth of the stream is hit about equally often over many seeds.
    counts: Counter[int] = Counter()
    for seed in range(60):
        for sentence in read_corpus(stream, max_sentences=100, seed=seed).sentences:
            counts[int(sentence.split()[1]) // 100] += 1
    assert min(counts.values()) > 500 and max(counts.values()) < 700
    # Repeating a sentence does not make it likelier.
    repeated = ["again"] * 500 + stream
    hits = sum("again" in read_corpus(repeated, max_sentences=100, seed=s).sentences
               for s in range(60))  # fmt: skip
    assert hits < 20


def test_the_sample_does_not_hold_the_stream() -> None:
    import tracemalloc

    read_corpus(["import", "everything first"])
    tracemalloc.start()
    corpus = read_corpus((f"a rather long sentence number {i}" for i in range(200_000)),
                         max_sentences=1000)  # fmt: skip
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(corpus) == 1000
    assert peak < 4_000_000


def bad(name: str, data: bytes) -> tuple[str, bytes]:
    return name, data


# Without its time: a test's name is the same whenever it is asked for.
BOMB = gzip.compress((b"a dog " * 1000 + b"\n") * 13_000, mtime=0)
CUT = gzip.compress(b"hello world, hello world", mtime=0)[:-6]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.txt", b"fine\nb\xffd\n", "line 2: not valid UTF-8 (byte 2)"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\0\0\0", "not"),
        ("a.txt", b"x\0y", "line 1: this is a binary file"),
        ("a.txt", "hi".encode("utf-16"), "UTF-16"),
        ("a.txt", b"", "no sentence"),
        ("a.txt", b"\n \n\t\n", "no sentence"),
        ("a.txt.gz", CUT, "gzip data is damaged"),
        ("a.csv", b"id,lang\n1,de\n", "columns: id, lang"),
        ("a.csv", b"id,caption\n1,x\n2\n", "line 3: 1 columns"),
        ("a.csv", b"id,caption\n1,a dog, barking\n", "line 2: 3 columns, the header has 2"),
        ("a.csv", b'id,caption\n1,"a dog\n2,a cat\n', "line 3: unexpected end of data"),
        ("a.csv", b"caption,language\nein Hund,de\nun chien,fr\n", "no row is English"),
        pytest.param("a.txt", b"a" * (17 << 20), "longer than 16 MiB", id="long line"),
        pytest.param("a.txt.gz", BOMB, "200 times its size", id="gzip bomb"),
        ("a.jsonl", b'{"caption": "x", "n": ' + b"9" * 5000 + b"}\n", "line 1: not JSON"),
        ("a.jsonl", b'"ok"\n{"caption": "x"\n', "line 2: not JSON"),
        ("a.jsonl", b'{"caption": "x"}\n{"other": "y"}\n', "line 2: there is no key 'caption'"),
        ("a.jsonl", b"3\n", "line 1: int where a sentence should be"),
        ("a.jsonl", b"[" * 100_000, "line 1: not JSON"),
        ("a.parquet", b"PAR1 not really", "not a readable parquet file"),
    ],
)
def test_one_clear_line_with_file_and_line(
    tmp_path: Path, name: str, data: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError) as error:
        read_corpus(tmp_path / name)
    assert told in str(error.value)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], "no sentence"),
        (["fine", 3], "sentence 1 is a int"),
        (["\ud800"], "lone surrogate"),
        (7, "must be sentences"),
        ({"a": 1}, "must be sentences"),
        ("no/such/file.txt", "no file or corpus called"),
        (["a dog barks", "captions.txt"], "no file or corpus called 'captions.txt'"),
        ("/dev/zero", "binary file"),
        ("toy-sentence", "did you mean 'toy-sentences'"),
        ("*.nothing", "no file matches"),
    ],
)
def test_bad_arguments(texts: object, told: str) -> None:
    with pytest.raises(UserError, match=told.replace("*", r"\*")):
        read_corpus(texts)  # type: ignore[arg-type]


def test_a_missing_file_among_several_is_not_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one dog\n")
    with pytest.raises(UserError, match="no file or corpus called 'missing'"):
        read_corpus(named([str(tmp_path / "a.txt"), "missing"]))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_only_english_rows_of_a_table_with_languages(tmp_path: Path, suffix: str) -> None:
    rows = [("1.jpg", "en", "a dog"), ("1.jpg", "de", "ein Hund"), ("2.jpg", "eng_Latn", "a cat"),
            ("2.jpg", "ja", "猫"), ("3.jpg", "", "a bird")]  # fmt: skip
    path = tmp_path / f"captions.{suffix}"
    if suffix == "csv":
        path.write_text("item,language,caption\n" + "".join(",".join(row) + "\n" for row in rows))
    elif suffix == "jsonl":
        keys = ("item", "language", "caption")
        path.write_text("".join(json.dumps(dict(zip(keys, row))) + "\n" for row in rows))
    else:
        pa = pytest.importorskip("pyarrow")
        import pyarrow.parquet as pq

        columns = dict(zip(("item", "language", "caption"), map(list, zip(*rows))))
        pq.write_table(pa.table(columns), path)
    with pytest.warns(UserWarning, match="3 English rows used, 2 rows in other languages"):
        corpus = read_corpus(path)
    assert corpus.sentences == ["a dog", "a cat", "a bird"] and corpus.other_languages == 2
    # Rows of a dataset of vectors answer to rows of the table.
    assert len(list(every_sentence(path))) == 5


def test_origins_can_be_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "captions.txt").write_text("one dog\n")
    monkeypatch.chdir(tmp_path)
    cases = {
        "captions.txt": {"kind": "file", "path": "captions.txt"},
        "*.txt": {"kind": "file", "path": "*.txt"},
        "toy-sentences": {"kind": "name", "name": "toy-sentences"},
    }
    for name, origin in cases.items():
        assert [o.to_dict() for o in read_corpus(name, max_sentences=5).origins] == [origin]
    assert [o.to_dict() for o in read_corpus(["a dog", "a cat"]).origins] == [{"kind": "memory"}]


def test_invalid_text_in_parquet_is_one_line(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")]
    )
    pq.write_table(pa.table({"caption": broken}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="not a readable parquet file"):
        read_corpus(tmp_path / "a.parquet")
