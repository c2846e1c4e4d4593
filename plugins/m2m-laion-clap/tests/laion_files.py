"""A checkpoint as laion-clap's trainer writes it: its own model, small RoBERTa, random weights."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
import transformers as tf
from m2m_laion_clap.sound import clap_module, settings

from m2m_adapters.testing import small_models

RATE = 48000


def tokenizer() -> tf.PreTrainedTokenizerBase:
    return small_models.roberta_tokenizer()


@cache
def original(fused: bool = False) -> torch.nn.Module:
    """The package's own ``CLAP``, whose RoBERTa would come from the hub, and is made here."""
    module = clap_module("model")

    class Small:
        @staticmethod
        def from_pretrained(name: str) -> tf.RobertaModel:
            return tf.RobertaModel(tf.RobertaConfig(
                vocab_size=len(tokenizer()), hidden_size=768, num_hidden_layers=2,
                num_attention_heads=12, intermediate_size=64, max_position_embeddings=514,
                type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1, bos_token_id=0,
                eos_token_id=2,
            ))  # fmt: skip

    kept, module.RobertaModel = module.RobertaModel, Small
    torch.manual_seed(0)
    try:
        made = module.CLAP(
            embed_dim=768,
            audio_cfg=settings("tiny"),
            text_cfg={"context_length": 77, "vocab_size": 49408, "width": 512, "heads": 8,
                      "layers": 12, "model_type": "roberta"},
            enable_fusion=fused,
            fusion_type="aff_2d" if fused else "None",
        )  # fmt: skip
    finally:
        module.RobertaModel = kept
    with torch.no_grad():  # the initial weights are so small that everything looks alike
        for name, value in made.named_parameters():
            if value.ndim > 1 and "embeddings" not in name and "extractor" not in name:
                value.mul_(2)
    return made.eval()


@cache
def checkpoint(fused: bool = False) -> Path:
    """The ``.pt`` file with RoBERTa's tokenizer beside it, made once in a run."""
    folder = Path(mkdtemp(prefix="m2m-laion-"))
    state = {f"module.{name}": value for name, value in original(fused).state_dict().items()}
    # What the published files also hold: an old buffer, the optimizer, scores as numpy numbers.
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    told = {"epoch": 15, "name": "small", "state_dict": state, "best": np.float64(0.9),
            "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}}  # fmt: skip
    torch.save(told, folder / "small.pt")
    tokenizer().save_pretrained(folder)
    return folder / "small.pt"


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """float32 tones and noise at ``RATE``, different for every seed."""
    return small_models.tone(seconds, RATE, seed)
