"""Models inside which text and picture meet, from small configs and random weights."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import torch
import transformers as tf

from m2m_adapters.testing import small_models

WORDS = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a red blue green circle square star above dog cat ##s".split()
)
SMALL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip


def vilt() -> tf.ViltForImageAndTextRetrieval:
    return tf.ViltForImageAndTextRetrieval(tf.ViltConfig(
        vocab_size=len(WORDS), image_size=32, patch_size=8, max_position_embeddings=12,
        max_image_length=-1, **SMALL,
    ))  # fmt: skip


def bridgetower() -> tf.BridgeTowerForImageAndTextRetrieval:
    text = {"vocab_size": len(WORDS), "max_position_embeddings": 14, "pad_token_id": 0, **SMALL}
    vision = {"hidden_size": 64, "num_hidden_layers": 2, "patch_size": 8, "image_size": 32}
    return tf.BridgeTowerForImageAndTextRetrieval(tf.BridgeTowerConfig(
        hidden_size=16, num_attention_heads=2, num_hidden_layers=2, text_config=text,
        vision_config=vision,
    ))  # fmt: skip


def blip2(image_tokens: bool = False) -> tf.Blip2ForImageTextRetrieval:
    reader = {
        "vocab_size": len(WORDS), "max_position_embeddings": 12, "encoder_hidden_size": 16,
        "use_qformer_text_input": True, **SMALL,
    }  # fmt: skip
    return tf.Blip2ForImageTextRetrieval(tf.Blip2Config(
        vision_config={**SMALL, "image_size": 32, "patch_size": 8}, qformer_config=reader,
        num_query_tokens=3, image_text_hidden_size=8,
        image_token_index=len(WORDS) - 1 if image_tokens else None,
    ))  # fmt: skip


def flava() -> tf.FlavaForPreTraining:
    picture = {**SMALL, "image_size": 32, "patch_size": 8, "vocab_size": 20}
    codebook = {"num_groups": 1, "hidden_size": 4, "num_blocks_per_group": 1, "vocab_size": 8}
    return tf.FlavaForPreTraining(tf.FlavaConfig(
        image_config=picture,
        text_config={**SMALL, "vocab_size": len(WORDS), "max_position_embeddings": 12},
        multimodal_config=SMALL, image_codebook_config=codebook, hidden_size=16,
        projection_dim=8,
    ))  # fmt: skip


MAKERS = {
    "vilt": vilt, "bridgetower": bridgetower, "blip2": blip2,
    "blip2-image-tokens": lambda: blip2(True), "flava": flava,
}  # fmt: skip
FIXED = {"size": {"height": 32, "width": 32}}
PROCESSORS = {
    "vilt": lambda: tf.ViltImageProcessor(size={"shortest_edge": 32}, size_divisor=8),
    "bridgetower": lambda: tf.BridgeTowerImageProcessor(
        size={"shortest_edge": 32}, crop_size={"shortest_edge": 32}, size_divisor=8
    ),
    "blip2": lambda: tf.BlipImageProcessor(**FIXED),
    "blip2-image-tokens": lambda: tf.BlipImageProcessor(**FIXED),
    "flava": lambda: tf.FlavaImageProcessor(crop_size={"height": 32, "width": 32}, **FIXED),
}


@cache
def joint_folder(name: str) -> Path:
    torch.manual_seed(0)
    place = Path(mkdtemp(prefix="m2m-joint-")) / name
    place.mkdir()
    small_models.spread(MAKERS[name](), 0.3).save_pretrained(place)
    (place / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    tf.BertTokenizer(vocab={w: i for i, w in enumerate(WORDS)}).save_pretrained(place)
    PROCESSORS[name]().save_pretrained(place)
    return place
