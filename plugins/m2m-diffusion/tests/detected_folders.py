"""Pipelines that no kind lists, from small configs and random weights."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import diffusers as df
import torch
import transformers as tf
from pipeline_folders import tokenizer, vae


def auraflow() -> df.AuraFlowPipeline:
    transformer = df.AuraFlowTransformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_mmdit_layers=1, num_single_dit_layers=1,
        attention_head_dim=8, num_attention_heads=2, joint_attention_dim=24,
        caption_projection_dim=16, out_channels=4, pos_embed_max_size=64,
    )  # fmt: skip
    return df.AuraFlowPipeline(
        tokenizer=tokenizer(512), text_encoder=umt5(), vae=vae(),
        transformer=transformer.eval(), scheduler=df.FlowMatchEulerDiscreteScheduler(),
    )  # fmt: skip


def umt5() -> tf.PreTrainedModel:
    config = tf.UMT5Config(vocab_size=320, d_model=24, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    return tf.UMT5EncoderModel(config).eval()


def flux2_vae() -> df.AutoencoderKLFlux2:
    return df.AutoencoderKLFlux2(
        down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4,
        use_quant_conv=False, use_post_quant_conv=False,
    ).eval()  # fmt: skip


def flux2_transformer(width: int) -> df.Flux2Transformer2DModel:
    return df.Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=width, timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
    ).eval()  # fmt: skip


def chat_tokenizer() -> tf.PreTrainedTokenizerBase:
    own = tokenizer(2048)
    own.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    return own


def flux2_klein() -> df.Flux2KleinPipeline:
    config = tf.Qwen3Config(
        vocab_size=400, hidden_size=8, intermediate_size=16, num_hidden_layers=28,
        num_attention_heads=2, num_key_value_heads=2, head_dim=4,
    )  # fmt: skip
    return df.Flux2KleinPipeline(
        scheduler=df.FlowMatchEulerDiscreteScheduler(), vae=flux2_vae(),
        text_encoder=tf.Qwen3ForCausalLM(config).eval(), tokenizer=chat_tokenizer(),
        transformer=flux2_transformer(24),
    )  # fmt: skip


MAKERS = {"auraflow": auraflow, "flux2-klein": flux2_klein}


@cache
def folder(name: str) -> Path:
    torch.manual_seed(0)
    place = Path(mkdtemp(prefix="m2m-pipeline-")) / name
    MAKERS[name]().save_pretrained(place)
    return place
