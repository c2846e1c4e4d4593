"""Small subword tokenizers that know the words of English captions and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from m2m_tiny.zoo.vocabulary import word_pieces

START, END, PAD, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|pad|>", "<|unk|>"


def english_captions(draw: Callable[..., Any], n: int = 20_000) -> Iterator[str]:
    """English captions of random specs, for the vocabulary."""
    from m2m_tiny.captions import caption

    rng = random.Random(0)
    for _ in range(n):
        yield caption(draw(rng), "en", rng)


def make_tokenizer(draw: Callable[..., Any], max_tokens: int) -> Any:
    """A fast tokenizer with start and end tokens; the words of one world's English captions."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    splitter = pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"), "removed",
                                    invert=True)  # fmt: skip
    # The end token last: CLIP's text models pool where they find the highest id.
    tokenizer = Tokenizer(
        word_pieces(english_captions(draw), normalizer, splitter, [PAD, UNKNOWN], (START, END))
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, start), (END, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PAD,
        unk_token=UNKNOWN, model_max_length=max_tokens,
    )  # fmt: skip
