"""open_clip folders as ``local-dir:`` reads them, small, with random weights."""

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import open_clip
import torch
import transformers as tf
from open_clip.model import CLIP, CustomTextCLIP
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from m2m_adapters.testing import small_models

VISION = {"image_size": 32, "patch_size": 8, "width": 16, "head_width": 8, "layers": 2}
TEXT = {"context_length": 20, "width": 16, "heads": 2, "layers": 2, "vocab_size": 49408}
OWN = {**TEXT, "hf_tokenizer_name": "small"}

# What the shapes of open_clip differ in.
CONFIGS = {
    # open_clip's own tokenizer, which comes with the package
    "plain": {"vision_cfg": VISION, "text_cfg": TEXT},
    # a tokenizer of transformers, in the folder
    "tokenizer": {"vision_cfg": VISION, "text_cfg": OWN},
    # SigLIP: no causal mask, the last position pooled, an image tower of timm
    "siglip": {
        "vision_cfg": {
            "image_size": 32, "timm_model_name": "test_vit", "timm_model_pretrained": False,
            "timm_pool": "avg", "timm_proj": "linear",
        },
        "text_cfg": {
            **OWN, "no_causal_mask": True, "proj_bias": True, "pool_type": "last",
            "tokenizer_kwargs": {"clean": "canonicalize"},
        },
        "init_logit_bias": -10, "custom_text": True,
    },
    # CoCa: a class token behind the text, towers that also give tokens, a caption decoder
    "coca": {
        "vision_cfg": {**VISION, "attentional_pool": True, "attn_pooler_heads": 2,
                       "output_tokens": True},
        "text_cfg": {**TEXT, "context_length": 19, "embed_cls": True, "output_tokens": True},
        "multimodal_cfg": {"context_length": 19, "vocab_size": 49408, "width": 12, "heads": 2,
                           "layers": 1, "attn_pooler_heads": 2},
        "custom_text": True,
    },
    # ResNet
    "resnet": {
        "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None},
        "text_cfg": TEXT,
    },
    # OpenAI's activation
    "quickgelu": {"vision_cfg": VISION, "text_cfg": TEXT, "quick_gelu": True},
}  # fmt: skip


def tokenizer() -> tf.PreTrainedTokenizerBase:
    """Byte-level BPE whose end token has the highest id, where open_clip's pooling looks."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<start>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tok.train_from_iterator(list(small_models.SENTENCES) * 4, trainer)
    tok.add_special_tokens(["<end>"])
    start, end = tok.token_to_id("<start>"), tok.token_to_id("<end>")
    tok.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", start), ("<end>", end)]
    )
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tok, pad_token="<pad>", bos_token="<start>", eos_token="<end>",
        model_max_length=20,
    )  # fmt: skip


def made(kind: str) -> tuple[torch.nn.Module, dict]:
    """(model, its config) of ``kind``, with weights large enough that texts differ."""
    config = {"embed_dim": 12, **deepcopy(CONFIGS[kind])}
    if "hf_tokenizer_name" in config["text_cfg"]:
        config["text_cfg"]["vocab_size"] = len(tokenizer())
    given = {k: v for k, v in deepcopy(config).items() if k != "custom_text"}
    torch.manual_seed(0)
    if "multimodal_cfg" in config:
        model = open_clip.CoCa(**given)
    else:
        model = (CustomTextCLIP if config.get("custom_text") else CLIP)(**given)
    return small_models.spread(model, 0.2), config


@cache
def folder(kind: str) -> Path:
    """A folder for ``local-dir:``, made once in a run."""
    path = Path(mkdtemp(prefix=f"m2m-oc-{kind}-"))
    model, config = made(kind)
    told = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (path / "open_clip_config.json").write_text(json.dumps(told))
    state = {name: value.contiguous().clone() for name, value in model.state_dict().items()}
    save_file(state, path / "open_clip_model.safetensors")
    if "hf_tokenizer_name" in config["text_cfg"]:
        tokenizer().save_pretrained(path)
    return path
