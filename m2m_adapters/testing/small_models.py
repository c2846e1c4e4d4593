"""Small models for tests, as folders like those of the hub: random weights, trained tokenizers.

Everything a loader meets in the real thing is there (config, weights, tokenizer, processor) and
takes a second to make. Needs transformers and tokenizers; nothing is downloaded::

    from m2m_adapters.testing import small_models

    FOLDER = small_models.folder("clip", small_models.save_clip)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.normalizers import Normalizer
    from torch import nn
    from transformers import PreTrainedTokenizerFast

    from m2m_adapters.models import Samples

ModelT = TypeVar("ModelT", bound="nn.Module")


class Savable(Protocol):
    """A model, tokenizer or processor of transformers."""

    def save_pretrained(self, path: Path, /) -> object: ...


SENTENCES = (
    "a dog barks at the old grey cat on the roof",
    "query: two red squares above a small blue circle",
    "a photo of: the quick brown fox jumps over the lazy dog while a train passes in the distance",
    "rain falls on a tin roof and a woman sings quietly in the street",
    "ein Hund bellt in der Nacht, 犬が吠える, собака лает, बिल्ली म्याऊँ करती है",
)
"""What tokenizers are trained on, unless other texts are given."""


@cache
def folder(name: str, save: Callable[[Path], object]) -> Path:
    """A temporary folder that ``save`` has filled, made once in a run of the tests."""
    path = Path(mkdtemp(prefix="m2m-small-")) / name
    path.mkdir()
    save(path)
    return path


def spread(model: ModelT, scale: float = 0.25, seed: int = 0) -> ModelT:
    """``model`` with weights so large that texts differ; fresh ones make all look alike."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, scale, generator=generator)
    return model.eval()


def save_all(path: Path, *parts: Savable) -> Path:
    """Model, tokenizer, processor, ... in one folder."""
    for part in parts:
        part.save_pretrained(path)
    return path


def bert_tokenizer(
    max_length: int = 30,
    *,
    vocabulary: int = 300,
    sentences: Sequence[str] = SENTENCES,
    type_ids: bool = False,
) -> PreTrainedTokenizerFast:
    """WordPiece between [CLS] and [SEP]. type_ids: it also gives ``token_type_ids``."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tok.normalizer = normalizers.BertNormalizer()
    tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=specials, show_progress=False
    )
    tok.train_from_iterator(list(sentences) * 4, trainer)
    tok.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tok, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", mask_token="[MASK]", model_max_length=max_length,
    )  # fmt: skip
    if type_ids:
        tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    return tokenizer


def roberta_tokenizer(
    max_length: int | None = None,
    *,
    vocabulary: int = 400,
    mask: bool = True,
    padding_side: str = "right",
) -> PreTrainedTokenizerFast:
    """Byte-level BPE between <s> and </s>. mask: False gives no attention mask, as SigLIP's."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tok = _byte_level(specials, vocabulary, "<unk>")
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    limit = {} if max_length is None else {"model_max_length": max_length}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", cls_token="<s>", eos_token="</s>",
        sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
        padding_side=padding_side, **limit,
    )  # fmt: skip
    if not mask:
        tokenizer.model_input_names = ["input_ids"]
    return tokenizer


def clip_tokenizer(max_length: int = 32, *, vocabulary: int = 400) -> PreTrainedTokenizerFast:
    """Lower-case byte-level BPE between CLIP's start and end tokens, padded with the latter."""
    from tokenizers import normalizers, processors
    from transformers import PreTrainedTokenizerFast

    start, end = "<|startoftext|>", "<|endoftext|>"
    lower = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tok = _byte_level([start, end], vocabulary, end, lower, "</w>")
    tok.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, 0), (end, 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token=start, eos_token=end, pad_token=end, unk_token=end,
        model_max_length=max_length,
    )  # fmt: skip


def _byte_level(
    specials: list[str],
    vocabulary: int,
    unknown: str,
    normalizer: Normalizer | None = None,
    suffix: str | None = None,
) -> Tokenizer:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    ending: dict[str, Any] = {} if suffix is None else {"end_of_word_suffix": suffix}
    tok = Tokenizer(models.BPE(unk_token=unknown, **ending))
    if normalizer is not None:
        tok.normalizer = normalizer
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=specials, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **ending,
    )  # fmt: skip
    tok.train_from_iterator(list(SENTENCES) * 4, trainer)
    return tok


ENCODERS = ("bert", "xlm-roberta", "mpnet", "distilbert", "qwen3")


def encoder(kind: str = "bert", seed: int = 0) -> tuple[nn.Module, PreTrainedTokenizerFast]:
    """(model, tokenizer) of a transformers text encoder, 24 wide: one of ``ENCODERS``."""
    import torch
    import transformers

    sizes: dict[str, Any] = {
        "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 66,
    }  # fmt: skip
    if kind in ("bert", "distilbert"):
        tokenizer = bert_tokenizer(48, type_ids=kind == "bert")
        sizes["pad_token_id"] = 0
    else:  # Qwen3 is read at its last token, hence padded on the left
        tokenizer = roberta_tokenizer(48, padding_side="left" if kind == "qwen3" else "right")
        sizes |= {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    if kind == "distilbert":
        sizes = {"dim": 24, "hidden_dim": 32, "n_layers": 2, "n_heads": 2,
                 "max_position_embeddings": 66, "pad_token_id": 0}  # fmt: skip
    if kind == "qwen3":
        sizes |= {"num_key_value_heads": 2, "head_dim": 12}
    name = {"bert": "Bert", "xlm-roberta": "XLMRoberta", "mpnet": "MPNet",
            "distilbert": "DistilBert", "qwen3": "Qwen3"}[kind]  # fmt: skip
    torch.manual_seed(seed)
    config = getattr(transformers, f"{name}Config")(vocab_size=len(tokenizer), **sizes)
    return spread(getattr(transformers, f"{name}Model")(config), 0.2, seed), tokenizer


def text_sizes(vocabulary: int, **more: int | str) -> dict[str, int | str]:
    """Sizes of a small text tower, for the config of a dual encoder."""
    return {
        "vocab_size": vocabulary, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 32, **more,
    }  # fmt: skip


def vision_sizes(**more: int | str) -> dict[str, int | str]:
    """Sizes of a small image tower that reads 32 x 32 pixels."""
    return {
        "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
        "num_attention_heads": 2, "image_size": 32, "patch_size": 8, **more,
    }  # fmt: skip


def square_processor(kind: Any, **more: Any) -> Any:
    """An image processor of class ``kind`` that crops to 32 x 32 pixels."""
    crop = {"height": 32, "width": 32}
    return kind(size={"shortest_edge": 32}, crop_size=crop, **more)


def save_clip(path: Path) -> None:
    """A ``CLIPModel`` with tokenizer and image processor: 12 columns, 32 tokens, 32 x 32 pixels."""
    import torch
    import transformers as tf

    tokenizer = clip_tokenizer()
    text = text_sizes(len(tokenizer), bos_token_id=0, eos_token_id=1, pad_token_id=1)
    torch.manual_seed(0)
    config = tf.CLIPConfig(text_config=text, vision_config=vision_sizes(), projection_dim=12)
    images = square_processor(tf.CLIPImageProcessor)
    save_all(path, spread(tf.CLIPModel(config)), tf.CLIPProcessor(images, tokenizer))


def save_clap(path: Path) -> None:
    """A ``ClapModel`` with tokenizer and feature extractor: windows of 1 s at 16 kHz."""
    clap(path, fused=False)


def save_fused_clap(path: Path) -> None:
    """The same with feature fusion for long sounds."""
    clap(path, fused=True)


def clap(path: Path, *, fused: bool, rate: int = 16000) -> None:
    """A small CLAP in ``path``; see :func:`save_clap`."""
    import torch
    import transformers as tf

    tokenizer = roberta_tokenizer()
    mels = 64 if fused else 16  # transformers' fusion of long sounds is written for 64
    audio = {
        "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 8,
        "patch_embeds_hidden_size": 4, "window_size": 2, "num_mel_bins": mels,
        "spec_size": 256 if fused else 64, "enable_fusion": fused, "projection_dim": 12,
        "fusion_type": "aff_2d" if fused else None,
    }  # fmt: skip
    text = text_sizes(len(tokenizer), projection_dim=12, pad_token_id=1, bos_token_id=0,
                      eos_token_id=2) | {"max_position_embeddings": 34}  # fmt: skip
    torch.manual_seed(0)
    model = tf.ClapModel(tf.ClapConfig(text_config=text, audio_config=audio, projection_dim=12))
    extractor = tf.ClapFeatureExtractor(
        feature_size=mels, sampling_rate=rate, hop_length=160, max_length_s=1,
        fft_window_size=1024 if fused else 256, frequency_max=8000,
        truncation="fusion" if fused else "rand_trunc",
    )  # fmt: skip
    save_all(path, spread(model), tokenizer, extractor)


def tone(seconds: float, rate: int = 16000, seed: int = 0) -> Samples:
    """float32 tones and noise, different for every seed."""
    rng = np.random.default_rng(seed)
    t = np.arange(max(1, round(seconds * rate))) / rate
    pitch = 200 * (seed + 1)
    wave = 0.3 * np.sin(2 * np.pi * pitch * t * (1 + t / 7)) + 0.05 * rng.standard_normal(len(t))
    return np.asarray(wave, dtype=np.float32)
