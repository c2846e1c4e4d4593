"""A CLIP with small random weights, as a model that reads texts and pictures."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import st_folders
import torch
import transformers as tf


@cache
def folder() -> Path:
    """A transformers folder, made once in a run."""
    path = Path(mkdtemp(prefix="m2m-st-clip-"))
    tok = st_folders.roberta_tokenizer()
    tok.model_max_length = 32
    sizes = dict(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
    )  # fmt: skip
    text = dict(
        vocab_size=len(tok), max_position_embeddings=32, bos_token_id=0, pad_token_id=1,
        eos_token_id=2, **sizes,
    )  # fmt: skip
    vision = dict(image_size=32, patch_size=8, **sizes)
    torch.manual_seed(0)
    model = tf.CLIPModel(tf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12))
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim > 1:
                value.normal_(0, 0.25)
    model.save_pretrained(path)
    size = {"height": 32, "width": 32}
    pictures = tf.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=size)
    tf.CLIPProcessor(image_processor=pictures, tokenizer=tok).save_pretrained(path)
    return path
