"""Vocabularies of word pieces, the same at every run.

The trainers of `tokenizers` break ties by the order of a hash table, so that two runs number
their tokens differently and a checkpoint of one is nonsense to the other. This world has few
words: each seen often enough is a piece, single characters spell the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

OFTEN = 20


def word_pieces(
    texts: Iterable[str],
    normalizer: Any,
    splitter: Any,
    special: list[str],
    last: tuple[str, ...] = (),
) -> Any:
    """A WordPiece model; special[1] stands for the unknown, ``last`` get the highest ids."""
    from tokenizers.models import WordPiece

    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    letters = sorted({letter for word in words for letter in word})
    often = sorted((word for word, count in words.items() if count >= OFTEN),
                   key=lambda word: (-words[word], word))  # fmt: skip
    pieces = dict.fromkeys([*special, *letters, *("##" + letter for letter in letters), *often,
                            *last])  # fmt: skip
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    return WordPiece(vocabulary, unk_token=special[1], max_input_chars_per_word=100)
