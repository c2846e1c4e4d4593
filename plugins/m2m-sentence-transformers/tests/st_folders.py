"""sentence-transformers folders with small random weights."""

from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp

import torch
from m2m_sentence_transformers import source
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules as st

from m2m_adapters.testing import small_models

load = partial(source.load, precision="fp32")
"""Exact, to be compared with the library: the default depends on the processor."""


def bert_tokenizer():
    return small_models.bert_tokenizer(48, type_ids=True)


def roberta_tokenizer():
    return small_models.roberta_tokenizer(48)


def _save(path: Path) -> None:
    small_models.save_all(path, *small_models.encoder(path.name))


def _encoder(kind: str) -> Path:
    """A transformers folder: the encoder and its tokenizer."""
    return small_models.folder(kind, _save)


# name -> (encoder, pooling, with Dense, with Normalize, prompts, default prompt)
SHAPES = {
    "mpnet": ("mpnet", "mean", False, False, {}, None),
    "labse": ("bert", "cls", True, True, {}, None),
    "e5": ("xlm-roberta", "mean", False, True, {"query": "query: ", "passage": "passage: "}, None),
    "prompted": ("xlm-roberta", "mean", False, True, {"query": "query: "}, "query"),
    "promptless": ("bert", "mean-without-prompt", False, False, {"query": "query: "}, "query"),
    "qwen": ("qwen3", "lasttoken", False, True, {}, None),
}


@cache
def folder(name: str) -> Path:
    """A saved SentenceTransformer of one of ``SHAPES``, made once in a run."""
    encoder, pooling, dense, unit, prompts, default = SHAPES[name]
    first = st.Transformer(str(_encoder(encoder)))
    parts = [
        first,
        st.Pooling(
            24, pooling_mode=pooling.partition("-")[0], include_prompt="without" not in pooling
        ),
    ]
    if dense:
        torch.manual_seed(1)
        parts.append(st.Dense(24, 24, activation_function=torch.nn.Tanh()))
    if unit:
        parts.append(st.Normalize())
    model = SentenceTransformer(
        modules=parts, prompts=prompts, default_prompt_name=default, device="cpu"
    )
    path = Path(mkdtemp(prefix=f"m2m-st-{name}-"))
    model.save(str(path))
    return path
