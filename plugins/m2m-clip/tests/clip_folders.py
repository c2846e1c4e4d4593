"""Folders of every kind of dual image encoder, small, with random weights."""

from pathlib import Path

import torch
import transformers as tf

from m2m_adapters.testing import small_models
from m2m_adapters.testing.small_models import bert_tokenizer, clip_tokenizer, roberta_tokenizer
from m2m_adapters.testing.small_models import square_processor as _square
from m2m_adapters.testing.small_models import text_sizes as _text
from m2m_adapters.testing.small_models import vision_sizes as _vision


def parts(kind: str) -> tuple[type, object, object, object]:
    """(model class, config, tokenizer, image processor) of a small model of ``kind``."""
    if kind == "clip":
        tok = clip_tokenizer()
        ids = dict(bos_token_id=0, eos_token_id=1, pad_token_id=1)
        config = tf.CLIPConfig(
            text_config=_text(len(tok), **ids), vision_config=_vision(), projection_dim=12
        )
        return tf.CLIPModel, config, tok, _square(tf.CLIPImageProcessor)
    if kind == "metaclip_2":
        tok = roberta_tokenizer()
        ids = dict(bos_token_id=0, eos_token_id=2, pad_token_id=1)
        config = tf.MetaClip2Config(
            text_config=_text(len(tok), **ids), vision_config=_vision(), projection_dim=12
        )
        return tf.MetaClip2Model, config, tok, _square(tf.CLIPImageProcessor)
    if kind == "siglip":
        tok = roberta_tokenizer(mask=False)
        config = tf.SiglipConfig(
            text_config=_text(len(tok), projection_size=16), vision_config=_vision()
        )
        return (
            tf.SiglipModel,
            config,
            tok,
            tf.SiglipImageProcessor(size={"height": 32, "width": 32}),
        )
    if kind == "siglip2":
        tok = roberta_tokenizer(mask=False)
        vision = _vision(num_patches=16)
        vision.pop("image_size")
        config = tf.Siglip2Config(
            text_config=_text(len(tok), projection_size=16), vision_config=vision
        )
        return (
            tf.Siglip2Model,
            config,
            tok,
            tf.Siglip2ImageProcessor(patch_size=8, max_num_patches=16),
        )
    if kind == "align":
        tok = bert_tokenizer()
        config = tf.AlignConfig(
            text_config=_text(len(tok), pad_token_id=0),
            vision_config=dict(
                image_size=32,
                hidden_dim=32,
                width_coefficient=1.0,
                depth_coefficient=0.1,
                in_channels=[32, 8],
                out_channels=[8, 32],  # the last is the joint space's dim
                kernel_sizes=[3, 3],
                strides=[1, 2],
                num_block_repeats=[1, 1],
                expand_ratios=[1, 2],
                depthwise_padding=[],
            ),
            projection_dim=32,
        )
        return (
            tf.AlignModel,
            config,
            tok,
            _square(
                tf.EfficientNetImageProcessor,
                do_center_crop=True,
            ),
        )
    if kind == "chinese_clip":
        tok = bert_tokenizer()
        config = tf.ChineseCLIPConfig(
            text_config=_text(len(tok), pad_token_id=0), vision_config=_vision(), projection_dim=12
        )
        return tf.ChineseCLIPModel, config, tok, _square(tf.ChineseCLIPImageProcessor)
    if kind == "altclip":
        tok = roberta_tokenizer()
        text = _text(len(tok), pad_token_id=1, bos_token_id=0, eos_token_id=2, project_dim=16)
        text["max_position_embeddings"] = 34
        config = tf.AltCLIPConfig(text_config=text, vision_config=_vision(), projection_dim=12)
        return tf.AltCLIPModel, config, tok, _square(tf.CLIPImageProcessor)
    if kind == "groupvit":
        tok = clip_tokenizer()
        ids = dict(bos_token_id=0, eos_token_id=1, pad_token_id=1)
        config = tf.GroupViTConfig(
            text_config=_text(len(tok), **ids),
            vision_config=dict(
                hidden_size=16,
                intermediate_size=24,
                depths=[1, 1, 1],
                num_attention_heads=2,
                image_size=32,
                patch_size=8,
                num_group_tokens=[8, 4, 0],
                num_output_groups=[8, 4, 0],
                num_hidden_layers=3,
                assign_mlp_ratio=[0.5, 4],
            ),
            projection_dim=12,
            projection_intermediate_dim=16,
        )
        return tf.GroupViTModel, config, tok, _square(tf.CLIPImageProcessor)
    raise ValueError(kind)


KINDS = [
    "clip",
    "metaclip_2",
    "siglip",
    "siglip2",
    "align",
    "chinese_clip",
    "altclip",
    "groupvit",
]


def _save(path: Path) -> None:
    whole, config, tokenizer, processor = parts(path.name)
    torch.manual_seed(0)
    small_models.save_all(path, small_models.spread(whole(config)), tokenizer, processor)


def folder(kind: str) -> Path:
    """A saved model of ``kind``, made once in a run."""
    return small_models.folder(kind, _save)
