"""A CLAP folder as the hub serves it, with small random weights and a tokenizer trained here."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
import transformers as tf
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

SENTENCES = [
    "a dog barks at the old grey cat on the roof",
    "two red squares above a small blue circle",
    "the quick brown fox jumps over the lazy dog while a train passes by in the distance",
    "rain falls on a tin roof and a woman sings quietly in the street",
] * 4
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
RATE = 16000


def tokenizer() -> tf.PreTrainedTokenizerBase:
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=SPECIALS, show_progress=False, initial_alphabet=alphabet
    )
    tok.train_from_iterator(SENTENCES, trainer)
    tok.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tok, bos_token="<s>", cls_token="<s>", eos_token="</s>",
        sep_token="</s>", pad_token="<pad>", unk_token="<unk>", mask_token="<mask>",
    )  # fmt: skip


def _mels(fused: bool) -> int:
    return 64 if fused else 16  # transformers' fusion of long sounds is written for 64


def config(vocabulary: int, fused: bool) -> tf.ClapConfig:
    audio = dict(
        depths=[1, 1], num_attention_heads=[2, 2], hidden_size=8, patch_embeds_hidden_size=4,
        window_size=2, num_mel_bins=_mels(fused), spec_size=64 if not fused else 256, enable_fusion=fused, projection_dim=12,
        fusion_type="aff_2d" if fused else None,
    )  # fmt: skip
    text = dict(
        vocab_size=vocabulary, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=34, projection_dim=12, pad_token_id=1,
        bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    return tf.ClapConfig(text_config=text, audio_config=audio, projection_dim=12)


@cache
def folder(fused: bool = False) -> Path:
    """A saved ClapModel, made once in a run: 1 s windows at 16 kHz."""
    path = Path(mkdtemp(prefix="m2m-clap-"))
    tok = tokenizer()
    torch.manual_seed(0)
    model = tf.ClapModel(config(len(tok), fused)).eval()
    with torch.no_grad():  # the initial weights are so small that all texts look alike
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.25)
    model.save_pretrained(path)
    tok.save_pretrained(path)
    tf.ClapFeatureExtractor(
        feature_size=_mels(fused), sampling_rate=RATE, hop_length=160, max_length_s=1, fft_window_size=1024 if fused else 256,
        frequency_max=8000, truncation="fusion" if fused else "rand_trunc",
    ).save_pretrained(path)  # fmt: skip
    return path


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """float32 tones and noise at ``RATE``, different for every seed."""
    rng = np.random.default_rng(seed)
    t = np.arange(max(1, round(seconds * RATE))) / RATE
    pitch = 200 * (seed + 1)
    wave = 0.3 * np.sin(2 * np.pi * pitch * t * (1 + t / 7)) + 0.05 * rng.standard_normal(len(t))
    return wave.astype(np.float32)
