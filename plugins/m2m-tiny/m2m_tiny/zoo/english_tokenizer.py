"""Small subword tokenizers that know English captions and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

START, END, PAD, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|pad|>", "<|unk|>"


def english_captions(draw: Callable[..., Any], n: int = 20_000) -> Iterator[str]:
    """English captions of random specs, for the vocabulary."""
    from m2m_tiny.captions import caption

    rng = random.Random(0)
    for _ in range(n):
        yield caption(draw(rng), "en", rng)


def train_tokenizer(draw: Callable[..., Any], max_tokens: int, vocab_size: int = 512) -> Any:
    """A fast tokenizer with start and end tokens, trained on English captions."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN, end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"),
                                                   "removed", invert=True)  # fmt: skip
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[PAD, UNKNOWN], end_of_word_suffix="</w>",
        show_progress=False,
    )  # fmt: skip
    tokenizer.train_from_iterator(english_captions(draw), trainer)
    # The end token last: CLIP's text model pools where it finds this id.
    tokenizer.add_special_tokens([START, END])
    start, end = tokenizer.token_to_id(START), tokenizer.token_to_id(END)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A {END}", special_tokens=[(START, start), (END, end)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=PAD,
        unk_token=UNKNOWN, model_max_length=max_tokens,
    )  # fmt: skip
