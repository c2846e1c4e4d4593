"""English sentences in: checked, normalised, deduplicated, sampled.

Sampling keeps the sentences with the smallest seeded hash. That is a uniform sample of the
*distinct* sentences, needs memory for the sample only, and does not depend on file order.
"""

from __future__ import annotations

import hashlib
import heapq
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from m2m_adapters.corpus.files import expand, read_file, read_stdin
from m2m_adapters.errors import UserError

TextsLike = str | Path | Iterable[str | Path]
"""A path, folder, glob, corpus name, ``"-"`` (stdin), several of these, or sentences."""


@dataclass(frozen=True)
class Corpus:
    """Distinct sentences in reading order, and what was dropped on the way."""

    sentences: list[str]
    read: int
    empty: int
    duplicates: int
    sampled_from: int | None = None
    origins: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def digest(self) -> str:
        """sha256 over the sentences, one a line."""
        digest = hashlib.sha256()
        for sentence in self.sentences:
            digest.update(sentence.encode() + b"\n")
        return digest.hexdigest()

    def describe(self) -> dict[str, object]:
        """What an adapter's card says of its corpus."""
        return {
            "origins": self.origins,
            "sentences": len(self.sentences),
            "read": self.read,
            "empty_dropped": self.empty,
            "duplicates_dropped": self.duplicates,
            "sampled_from": self.sampled_from,
            "digest": self.digest,
        }


def clean(text: str) -> str:
    """Unicode NFC, whitespace trimmed and each inner run of it one space."""
    return unicodedata.normalize("NFC", " ".join(text.split()))


def read_corpus(
    texts: TextsLike,
    *,
    column: str | None = None,
    max_sentences: int | None = None,
    seed: int = 0,
) -> Corpus:
    """Sentences from files, folders, globs, stdin, corpus names or any iterable of strings.

    A lone string or path names something to read. In a list, paths and single words that name
    a file, a glob or a corpus are read; everything else is a sentence.
    """
    if max_sentences is not None and max_sentences < 1:
        raise UserError(
            f"--max-sentences must be at least 1, not {max_sentences}",
            "leave it out to use every sentence",
        )
    origins: list[str] = []
    stream = _stream(texts, column, max_sentences, seed, origins)
    if max_sentences is None:
        corpus = _everything(stream, origins)
    else:
        corpus = _sample(stream, max_sentences, seed, origins)
    if not corpus.sentences:
        told = f" (in {', '.join(origins[:3])})" if origins else ""
        raise UserError(f"the corpus holds no sentence{told}", "give English text, one a line")
    return corpus


def every_sentence(
    texts: TextsLike, *, column: str | None = None, wanted: int | None = None
) -> Iterator[str]:
    """All sentences in order, also empty ones and those that were there before.

    wanted: how many a corpus that can make any number is asked for.
    """
    return _stream(texts, column, wanted, 0, [])


def _everything(stream: Iterator[str], origins: list[str]) -> Corpus:
    kept: dict[str, None] = {}
    read = empty = 0
    for sentence in stream:
        read += 1
        if sentence:
            kept[sentence] = None
        else:
            empty += 1
    return Corpus(list(kept), read, empty, read - empty - len(kept), None, origins)


def _sample(stream: Iterator[str], size: int, seed: int, origins: list[str]) -> Corpus:
    # A heap of the `size` smallest hashes, the largest on top (hence the minus).
    heap: list[tuple[int, int, str]] = []
    held: set[int] = set()
    read = empty = duplicates = 0
    key = seed.to_bytes(16, "little", signed=True)
    for sentence in stream:
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
    return Corpus(ordered, read, empty, duplicates, seen if seen > len(ordered) else None, origins)


def _stream(
    texts: TextsLike, column: str | None, wanted: int | None, seed: int, origins: list[str]
) -> Iterator[str]:
    if isinstance(texts, (str, Path)):
        yield from _named(texts, column, wanted, seed, origins)
        return
    if isinstance(texts, (bytes, dict)) or not isinstance(texts, Iterable):
        raise UserError(
            f"texts must be sentences or the name of a file, not {type(texts).__name__}",
            "pass a list of strings or a path",
        )
    said_sentences = False
    for position, item in enumerate(texts):
        if isinstance(item, Path) or (isinstance(item, str) and _is_name(item)):
            yield from _named(item, column, wanted, seed, origins)
        elif isinstance(item, str):
            if not said_sentences:
                origins.append("sentences given in Python")
                said_sentences = True
            yield _checked(item, f"sentence {position}")
        else:
            raise UserError(
                f"sentence {position} is a {type(item).__name__}, not a string", "pass strings only"
            )


def _names_a_file(text: str) -> bool:
    try:
        return bool(text.strip()) and Path(text).exists()
    except (OSError, ValueError):  # too long, or not a path at all
        return False


def _is_name(text: str) -> bool:
    # One word may name something; a sentence is never looked up on disk.
    return " " not in text.strip() and (
        text == "-" or any(c in text for c in "*?[") or _names_a_file(text) or _is_corpus(text)
    )


def _named(
    name: str | Path, column: str | None, wanted: int | None, seed: int, origins: list[str]
) -> Iterator[str]:
    if name == "-":
        origins.append("standard input")
        lines: Iterable[str] = read_stdin(column)
    elif isinstance(name, str) and not _names_a_file(name) and _is_corpus(name):
        from m2m_adapters.registry.names import resolve

        origins.append(name)
        lines = resolve("corpus", name, n=wanted, seed=seed)
        for position, line in enumerate(lines):
            if not isinstance(line, str):
                raise UserError(
                    f"the corpus '{name}' gave a {type(line).__name__} at {position}",
                    "a corpus yields strings; report this to its authors",
                )
            yield _checked(line, f"sentence {position} of {name}")
        return
    else:
        for file in expand(name):
            origins.append(file.name)
            for line in read_file(file, column):
                yield _checked(line, str(file))
        return
    for line in lines:
        yield _checked(line, "standard input")


def _checked(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{where} holds a lone surrogate, which is not valid Unicode",
            "decode the text correctly first",
        ) from None
    return clean(text)


def _is_corpus(name: str) -> bool:
    from m2m_adapters.registry.names import known_names

    return name in known_names("corpus")
