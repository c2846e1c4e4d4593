"""A checkpoint as laion-clap's trainer writes it: its own model, small RoBERTa, random weights."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
import transformers as tf
from m2m_laion_clap.sound import clap_module, settings
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

RATE = 48000
SENTENCES = [
    "a dog barks at the old grey cat on the roof",
    "two red squares above a small blue circle",
    "the quick brown fox jumps over the lazy dog while a train passes by in the distance",
    "rain falls on a tin roof and a woman sings quietly in the street",
] * 4
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


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
    # What the published files also hold: an old buffer, the optimiser, scores as numpy numbers.
    state["module.text_branch.embeddings.position_ids"] = torch.arange(514)[None]
    told = {"epoch": 15, "name": "small", "state_dict": state, "best": np.float64(0.9),
            "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}}}  # fmt: skip
    torch.save(told, folder / "small.pt")
    tokenizer().save_pretrained(folder)
    return folder / "small.pt"


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """float32 tones and noise at ``RATE``, different for every seed."""
    rng = np.random.default_rng(seed)
    t = np.arange(max(1, round(seconds * RATE))) / RATE
    pitch = 200 * (seed + 1)
    wave = 0.3 * np.sin(2 * np.pi * pitch * t * (1 + t / 7)) + 0.05 * rng.standard_normal(len(t))
    return wave.astype(np.float32)
