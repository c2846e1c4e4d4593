"""English sentences: checked, normalized, deduplicated, sampled.

Sampling keeps the sentences with the smallest seeded hash. That is a uniform sample of the
*distinct* sentences, needs memory for the sample only, and does not depend on file order.
"""

from __future__ import annotations

import hashlib
import heapq
import os
import unicodedata
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from m2m_adapters._internal.user_folders import exists, is_file
from m2m_adapters.corpus.files import (
    check_unicode,
    expand,
    is_glob,
    names_a_file,
    read_file,
    read_stdin,
)
from m2m_adapters.corpus.origins import CorpusOrigin
from m2m_adapters.corpus.published import SOURCES, fetched_folder, published_corpora
from m2m_adapters.corpus.tables import EnglishRows
from m2m_adapters.errors import UserError

TextsLike = str | Path | Iterable[str | Path]
"""A path, folder, glob, corpus name, ``"-"`` (stdin), several of these, or sentences."""


@dataclass(frozen=True)
class Corpus:
    """Distinct sentences in reading order, and what was dropped on the way.

    other_languages: rows of tables that were left out because they are not English.
    """

    sentences: list[str]
    read: int
    empty: int
    duplicates: int
    sampled_from: int | None = None
    origins: list[CorpusOrigin] = field(default_factory=list)
    other_languages: int = 0

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def digest(self) -> str:
        """sha256 over the sentences, one a line."""
        digest = hashlib.sha256()
        for sentence in self.sentences:
            digest.update(sentence.encode() + b"\n")
        return digest.hexdigest()


def clean(text: str) -> str:
    """Unicode NFC, whitespace trimmed and each inner run of it one space."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def named(texts: Sequence[str]) -> TextsLike:
    """Texts named on the command line: files, folders, globs, corpora or ``-``.

    Of a list, :func:`read_corpus` would take a word that names nothing as a sentence; here it is
    a missing file.
    """
    if len(texts) == 1:
        return texts[0]
    return [text if text == "-" or _is_corpus(text) else Path(text) for text in texts]


def read_corpus(
    texts: TextsLike,
    *,
    column: str | None = None,
    max_sentences: int | None = None,
    seed: int = 0,
) -> Corpus:
    """Sentences from files, folders, globs, stdin, corpus names or any iterable of strings.

    A lone string or path names something to read. In a list, paths and single words that name
    a file, a glob or a corpus are read; everything else is a sentence (a folder in a list has to be
    a ``Path``). Of a table with a language
    column only the English rows are read.
    """
    if max_sentences is not None and max_sentences < 1:
        raise UserError(
            f"--max-sentences must be at least 1, not {max_sentences}",
            "leave it out to use every sentence",
        )
    reader = _Reader(column, max_sentences, seed, EnglishRows())
    if max_sentences is None:
        corpus = _everything(reader, texts)
    else:
        corpus = _sample(reader, texts, max_sentences, seed)
    english = reader.english
    assert english is not None
    shown = ", ".join(str(origin) for origin in corpus.origins[:3])
    if english.left_out:
        if not corpus.sentences:
            raise UserError(
                f"{shown}: no row is English (languages: {english.languages})",
                "give English text; the language column says which rows are",
            )
        warnings.warn(
            f"{shown}: {english.kept:,} English rows used, {english.left_out:,} rows in other "
            f"languages left out ({english.languages})",
            stacklevel=2,
        )
    if not corpus.sentences:
        inside = f" (in {shown})" if shown else ""
        raise UserError(f"the corpus holds no sentence{inside}", "give English text, one a line")
    return corpus


def every_sentence(
    texts: TextsLike, *, column: str | None = None, wanted: int | None = None
) -> Iterator[str]:
    """All sentences in order and in every language, also empty and repeated ones.

    wanted: how many sentences to ask of a corpus that can make any number.
    """
    return _Reader(column, wanted, 0, None).sentences(texts)


def _everything(reader: _Reader, texts: TextsLike) -> Corpus:
    kept: dict[str, None] = {}
    read = empty = 0
    for sentence in reader.sentences(texts):
        read += 1
        if sentence:
            kept[sentence] = None
        else:
            empty += 1
    return Corpus(
        list(kept), read, empty, read - empty - len(kept), None, reader.origins, reader.left_out
    )


def _sample(reader: _Reader, texts: TextsLike, size: int, seed: int) -> Corpus:
    # A heap of the `size` smallest hashes, the largest on top (hence the minus).
    heap: list[tuple[int, int, str]] = []
    held: set[int] = set()
    read = empty = duplicates = 0
    key = seed.to_bytes(16, "little", signed=True)
    for sentence in reader.sentences(texts):
        read += 1
        if not sentence:
            empty += 1
            continue
        rank = int.from_bytes(
            hashlib.blake2b(sentence.encode(), digest_size=16, key=key).digest(), "little"
        )
        if rank in held:
            duplicates += 1
        elif len(heap) < size:
            held.add(rank)
            heapq.heappush(heap, (-rank, read, sentence))
        elif rank < -heap[0][0]:
            held.add(rank)
            gone, _, _ = heapq.heapreplace(heap, (-rank, read, sentence))
            held.discard(-gone)
    ordered = [sentence for _, _, sentence in sorted(heap, key=lambda item: item[1])]
    seen = read - empty
    sampled_from = seen if seen > len(ordered) else None
    return Corpus(ordered, read, empty, duplicates, sampled_from, reader.origins, reader.left_out)


@dataclass
class _Reader:
    """Read any kind of ``texts``, and record where it came from.

    wanted, seed: what a corpus that makes its sentences is asked for. english: see
    :class:`EnglishRows`; None keeps every row.
    """

    column: str | None
    wanted: int | None
    seed: int
    english: EnglishRows | None
    origins: list[CorpusOrigin] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        return self.english.left_out if self.english else 0

    def sentences(self, texts: TextsLike) -> Iterator[str]:
        if isinstance(texts, (str, Path)):
            yield from self._named(texts)
            return
        if isinstance(texts, (bytes, dict)) or not isinstance(texts, Iterable):
            raise UserError(
                f"texts must be sentences or the name of a file, not {type(texts).__name__}",
                "pass a list of strings or a path",
            )
        memory = CorpusOrigin("memory")
        for position, item in enumerate(texts):
            if isinstance(item, Path) or (isinstance(item, str) and _is_name(item)):
                yield from self._named(item)
            elif isinstance(item, str):
                if memory not in self.origins:
                    self.origins.append(memory)
                yield _checked(item, f"sentence {position}")
            else:
                raise UserError(
                    f"sentence {position} is a {type(item).__name__}, not a string",
                    "pass strings only",
                )

    def _named(self, name: str | Path) -> Iterator[str]:
        if name == "-":
            self.origins.append(CorpusOrigin("stdin"))
            for line in read_stdin(self.column):
                yield _checked(line, "standard input")
        elif isinstance(name, str) and not exists(name) and _is_corpus(name):
            self.origins.append(CorpusOrigin("name", name))
            yield from self._corpus(name)
        else:
            files = expand(name)
            # A folder of thousands of files is one origin, as the user named it.
            self.origins.append(CorpusOrigin("file", str(name)))
            for file in files:
                for line in read_file(file, self.column, self.english):
                    yield _checked(line, str(file))

    def _corpus(self, name: str) -> Iterator[str]:
        from m2m_adapters.registry.names import resolve
        from m2m_adapters.registry.plugins import catalogue

        if name in published_corpora() and catalogue().find("corpus", name) is None:
            yield from self._published(name)
            return
        lines = resolve("corpus", name, n=self.wanted, seed=self.seed)
        for position, line in enumerate(lines):
            if not isinstance(line, str):
                raise UserError(
                    f"the corpus '{name}' gave a {type(line).__name__} at {position}",
                    "a corpus yields strings; report this to its authors",
                )
            yield _checked(line, f"sentence {position} of {name}")

    def _published(self, name: str) -> Iterator[str]:
        folder = fetched_folder(name)
        if not folder.is_dir():
            raise UserError(
                f"the corpus '{name}' is not on this machine",
                f"run `m2m fetch {name}`, or add --fetch",
            )
        for file in expand(folder):
            for line in read_file(file, SOURCES[name].column, self.english):
                yield _checked(line, str(file))


def _is_name(text: str) -> bool:
    # A single word may be the name of a file or corpus; a sentence is never looked up. "images",
    # "/" and "what?" are sentences, also where a folder is called so or a pattern would match.
    return " " not in text.strip() and (
        text == "-"
        or (is_glob(text) and os.sep in text)
        or names_a_file(text)
        or is_file(text)
        or _is_corpus(text)
    )


def _checked(text: str, where: str) -> str:
    check_unicode(text, where)
    return clean(text)


def _is_corpus(name: str) -> bool:
    from m2m_adapters.registry.names import known_names

    return name in known_names("corpus") or name in published_corpora()
