"""Pipelines that read the token states of a T5 or LLM, from small configs and random weights."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import diffusers as df
import torch
import transformers as tf
from pipeline_folders import t5, tokenizer
from processor_folders import MAKERS as WITH_PROCESSORS
from processor_folders import instructed, qwen_vl


def umt5() -> tf.PreTrainedModel:
    config = tf.UMT5Config(
        vocab_size=320, d_model=24, d_kv=8, d_ff=32, num_layers=1, num_heads=2
    )  # fmt: skip
    return tf.UMT5EncoderModel(config).eval()


def sana() -> df.SanaPipeline:
    config = tf.Gemma2Config(
        vocab_size=320, hidden_size=16, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, head_dim=8, max_position_embeddings=4096,
    )  # fmt: skip
    vae = df.AutoencoderDC(
        in_channels=3, latent_channels=4, attention_head_dim=2,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)), decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1), decoder_layers_per_block=(1, 1),
        downsample_block_type="conv", upsample_block_type="interpolate",
        decoder_norm_types="rms_norm", decoder_act_fns="silu", scaling_factor=0.41407,
    )  # fmt: skip
    transformer = df.SanaTransformer2DModel(
        patch_size=1, in_channels=4, out_channels=4, num_layers=1, num_attention_heads=2,
        attention_head_dim=4, num_cross_attention_heads=2, cross_attention_head_dim=4,
        cross_attention_dim=8, caption_channels=16, sample_size=32,
    )  # fmt: skip
    return df.SanaPipeline(
        tokenizer=tokenizer(4096), text_encoder=tf.Gemma2Model(config).eval(), vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=df.FlowMatchEulerDiscreteScheduler(shift=7.0),
    )  # fmt: skip


def ltx() -> df.LTXPipeline:
    transformer = df.LTXVideoTransformer3DModel(
        in_channels=8, out_channels=8, patch_size=1, patch_size_t=1, num_attention_heads=4,
        attention_head_dim=8, cross_attention_dim=32, num_layers=1, caption_channels=24,
    )  # fmt: skip
    vae = df.AutoencoderKLLTXVideo(
        in_channels=3, out_channels=3, latent_channels=8, block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8), layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1), spatio_temporal_scaling=(True, True, False, False),
        decoder_spatio_temporal_scaling=(True, True, False, False),
        decoder_inject_noise=(False,) * 5, upsample_residual=(False,) * 4,
        upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=1, patch_size_t=1,
        encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    return df.LTXPipeline(
        scheduler=df.FlowMatchEulerDiscreteScheduler(), vae=vae.eval(), text_encoder=t5(),
        tokenizer=tokenizer(128), transformer=transformer.eval(),
    )  # fmt: skip


def wan() -> df.WanPipeline:
    vae = df.AutoencoderKLWan(
        base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    transformer = df.WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16,
        out_channels=16, text_dim=24, freq_dim=256, ffn_dim=32, num_layers=1,
        cross_attn_norm=True, qk_norm="rms_norm_across_heads", rope_max_seq_len=32,
    )  # fmt: skip
    return df.WanPipeline(
        tokenizer=tokenizer(512), text_encoder=umt5(), vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=df.FlowMatchEulerDiscreteScheduler(shift=7.0),
    )  # fmt: skip


def cogvideox() -> df.CogVideoXPipeline:
    transformer = df.CogVideoXTransformer3DModel(
        num_attention_heads=4, attention_head_dim=8, in_channels=4, out_channels=4,
        time_embed_dim=2, text_embed_dim=24, num_layers=1, sample_width=2, sample_height=2,
        sample_frames=9, patch_size=2, temporal_compression_ratio=4, max_text_seq_length=226,
    )  # fmt: skip
    vae = df.AutoencoderKLCogVideoX(
        in_channels=3, out_channels=3,
        down_block_types=("CogVideoXDownBlock3D",) * 4, up_block_types=("CogVideoXUpBlock3D",) * 4,
        block_out_channels=(8, 8, 8, 8), latent_channels=4, layers_per_block=1, norm_num_groups=2,
        temporal_compression_ratio=4,
    )  # fmt: skip
    return df.CogVideoXPipeline(
        tokenizer=tokenizer(226), text_encoder=t5(), vae=vae.eval(),
        transformer=transformer.eval(), scheduler=df.DDIMScheduler(),
    )  # fmt: skip


def stable_audio() -> df.StableAudioPipeline:
    from diffusers.pipelines.stable_audio.modeling_stable_audio import StableAudioProjectionModel

    transformer = df.StableAudioDiTModel(
        sample_size=4, in_channels=3, num_layers=1, attention_head_dim=4, num_attention_heads=4,
        num_key_value_attention_heads=2, out_channels=3, cross_attention_dim=4, time_proj_dim=8,
        global_states_input_dim=8, cross_attention_input_dim=4,
    )  # fmt: skip
    vae = df.AutoencoderOobleck(
        encoder_hidden_size=6, downsampling_ratios=[1, 2], decoder_channels=3,
        decoder_input_channels=3, audio_channels=2, channel_multiples=[2, 4], sampling_rate=400,
    )  # fmt: skip
    return df.StableAudioPipeline(
        vae=vae.eval(), text_encoder=t5(), tokenizer=tokenizer(128),
        projection_model=StableAudioProjectionModel(24, 4, 0, 32), transformer=transformer.eval(),
        scheduler=df.EDMDPMSolverMultistepScheduler(
            solver_order=2, prediction_type="v_prediction", sigma_data=1.0,
            sigma_schedule="exponential",
        ),
    )  # fmt: skip


def qwen() -> df.QwenImagePipeline:
    before = df.QwenImagePipeline(None, None, None, None, None).prompt_template_encode.split("{")[0]
    vae = df.AutoencoderKLQwenImage(
        base_dim=24, z_dim=4, dim_mult=[1, 2, 4], num_res_blocks=1,
        temperal_downsample=[False, True], latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    transformer = df.QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16,
        num_attention_heads=3, joint_attention_dim=16, guidance_embeds=False,
        axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    return df.QwenImagePipeline(
        scheduler=df.FlowMatchEulerDiscreteScheduler(), vae=vae.eval(),
        text_encoder=qwen_vl(), tokenizer=instructed(before, 34), transformer=transformer.eval(),
    )  # fmt: skip


MAKERS = {
    "sana": sana, "ltx": ltx, "wan": wan, "cogvideox": cogvideox, "stable-audio": stable_audio,
    "qwen": qwen, **WITH_PROCESSORS,
}  # fmt: skip


@cache
def folder(name: str) -> Path:
    torch.manual_seed(0)
    place = Path(mkdtemp(prefix="m2m-pipeline-")) / name
    MAKERS[name]().save_pretrained(place)
    return place
