"""Every input either works or is refused in one line: no traceback, no hang, no wrong result."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from fuzzing import FUZZ, anything, changed, letters, mutated, outcome, parquet, texts
from hypothesis import example, given
from hypothesis import strategies as st

from m2m_adapters.corpus.files import read_file
from m2m_adapters.corpus.sentences import Corpus, clean, read_corpus
from m2m_adapters.errors import UserError
from m2m_adapters.evaluation.benchmark import Benchmark
from m2m_adapters.evaluation.find import load_benchmark


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose files each example overwrites."""
    return tmp_path_factory.mktemp("fuzz")


# --- corpora -----------------------------------------------------------------------------------


@FUZZ
@given(st.lists(texts.filter(lambda t: not set(t) & set("\r\n\0")), max_size=8), st.booleans())
def test_lines_are_read_as_they_are_written(place: Path, lines: list[str], packed: bool) -> None:
    raw = "\n".join([*lines, ""]).encode()
    path = place / "c.txt"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    read = outcome(lambda: list(read_file(path)))
    assert read == lines if not raw.startswith((b"\x1f\x8b", b"\xef\xbb\xbf")) else True


@FUZZ
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=6), st.sampled_from([",", "\t"]))
def test_cells_are_read_as_they_are_written(
    place: Path, rows: list[tuple[str, str]], delimiter: str
) -> None:
    rows = [row for row in rows if not set("".join(row)) & set("\r\n\0")]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([("text", "id"), *rows])
    path = place / ("c.csv" if delimiter == "," else "c.tsv")
    path.write_text(text.getvalue(), encoding="utf-8", newline="")
    assert outcome(lambda: list(read_file(path))) == [row[0] for row in rows]


CORPORA = {
    "c.txt": "a dog\nein Hund\n犬\n".encode(),
    "c.txt.gz": gzip.compress(b"a dog\n" * 9),
    "c.csv": b'caption,language\n"a ""dog"", here",en\nein Hund,de\n',
    "c.tsv": b"id\ttext\n1\ta dog\n",
    "c.jsonl": b'{"caption": "a dog", "language": "en"}\n{"caption": ["b", "c"]}\n',
}


@FUZZ
@given(
    st.sampled_from(sorted(CORPORA)).flatmap(
        lambda name: st.tuples(st.just(name), mutated(CORPORA[name]) | st.binary(max_size=60))
    )
)
def test_corpora(place: Path, file: tuple[str, bytes]) -> None:
    path = place / file[0]
    path.write_bytes(file[1])
    corpus = outcome(lambda: read_corpus(path))
    if isinstance(corpus, Corpus):
        assert all(s and s == clean(s) and s.encode() for s in corpus.sentences)
        assert len(set(corpus.sentences)) == len(corpus)
        assert corpus.read == len(corpus) + corpus.empty + corpus.duplicates


@FUZZ
@given(st.data())
def test_parquet(place: Path, data: Any) -> None:
    raw = data.draw(mutated(parquet({"caption": ["a dog", "b"], "item": ["a.png", "b.png"]})))
    path = place / "c.parquet"
    path.write_bytes(raw)
    outcome(lambda: read_corpus(path))
    table(place, "t.parquet", raw)


@FUZZ
@given(st.data())
def test_published_checkpoints(place: Path, data: Any) -> None:
    import torch

    from m2m_adapters.artifact.published_file import read_state

    file = io.BytesIO()
    torch.save({"fc.weight": torch.ones(4, 3), "fc.bias": torch.zeros(4)}, file)
    raw = data.draw(mutated(file.getvalue()) | st.binary(max_size=60))
    state = outcome(lambda: read_state(raw, place / "c.pth"))
    if not isinstance(state, UserError):
        assert all(bool(value.isfinite().all()) for value in state.values())


@FUZZ
@given(st.lists(anything, max_size=4))
def test_sentences_in_memory(sentences: list[object]) -> None:
    outcome(lambda: read_corpus(sentences))  # type: ignore[arg-type]


# --- benchmark tables --------------------------------------------------------------------------

ROWS: list[dict[str, Any]] = [
    {"item": "a.png", "language": "en", "caption": "a dog"},
    {"item": "b.png", "language": "de", "caption": ["ein Hund", "noch einer"]},
    {"image": "a.png", "captions": {"en": ["a dog"], "ja": "犬"}},
    {"item": {"bytes": None, "path": "a.png"}, "caption": "a dog", "de": "ein Hund"},
]


def table(place: Path, name: str, raw: bytes) -> Benchmark | UserError:
    folder = place / "table"
    folder.mkdir(exist_ok=True)
    for item in ("a.png", "b.png"):
        (folder / item).touch()
    (place / "secret.png").touch()
    (folder / name).write_bytes(raw)
    bench = outcome(lambda: load_benchmark(str(folder / name)))
    if isinstance(bench, Benchmark):
        assert all(Path(str(item)).parent == folder for item in bench.items)
        for code, captions in bench.captions.items():
            assert len(captions) == len(bench.owners[code]) > 0
            assert all(caption.strip() and caption.encode() for caption in captions)
    return bench


@FUZZ
@given(st.lists(st.sampled_from(ROWS).flatmap(changed) | anything, max_size=3))
@example([{"item": "a.png", "caption": "a dog", "": {}}])
@example([{"item": "a.png", "caption": "a dog", "\0": "x"}])
@example([{"item": {"bytes": "s"}, "language": "en", "caption": "x"}])
@example([{"item": "../secret.png", "language": "en", "caption": "x"}])
@example([{"item": "a.png", "language": "en", "caption": "\ud800"}])
def test_rows_of_tables(place: Path, rows: list[object]) -> None:
    table(place, "t.jsonl", "\n".join(json.dumps(row) for row in rows).encode())


@FUZZ
@given(mutated(b"item,language,caption\na.png,en,a dog\nb.png,de,ein Hund\n") | st.binary())
def test_bytes_of_tables(place: Path, raw: bytes) -> None:
    table(place, "t.csv", raw)


@FUZZ
@given(st.lists(st.tuples(st.sampled_from(["a.png", "b.png"]), letters), min_size=1, max_size=6))
def test_captions_are_read_as_they_are_written(place: Path, rows: list[tuple[str, str]]) -> None:
    rows = [(item, caption) for item, caption in rows if caption.strip()]
    lines = [json.dumps({"item": i, "language": "en", "caption": c}) for i, c in rows]
    bench = table(place, "t.jsonl", "\n".join(lines).encode())
    if rows:
        assert isinstance(bench, Benchmark)
        read = [
            (Path(str(bench.items[i])).name, caption)
            for i, caption in zip(bench.owners["en"], bench.captions["en"], strict=True)
        ]
        assert read == [(item, caption.strip()) for item, caption in rows]
