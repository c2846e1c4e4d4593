"""Pipelines of each class from small configs, random weights, saved as the hub serves them."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import diffusers as df
import torch
import transformers as tf

from m2m_adapters.testing import small_models

LENGTH = 16


def tokenizer(length: int = LENGTH) -> tf.PreTrainedTokenizerBase:
    return small_models.clip_tokenizer(length, vocabulary=320)


def clip(width: int = 16, projected: bool = False, length: int = LENGTH) -> tf.PreTrainedModel:
    config = tf.CLIPTextConfig(
        vocab_size=320,
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=length,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        projection_dim=width,
    )
    return (tf.CLIPTextModelWithProjection if projected else tf.CLIPTextModel)(config).eval()


def vae(latents: int = 4) -> df.AutoencoderKL:
    return df.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        layers_per_block=1,
        latent_channels=latents,
        norm_num_groups=4,
        shift_factor=0.1,
        scaling_factor=0.6,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def unet(width: int, **more) -> df.UNet2DConditionModel:
    return df.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=2,
        norm_num_groups=4,
        **more,
    )


def flux(guidance: bool = False, with_t5: bool = True) -> df.FluxPipeline:
    transformer = df.FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=24,
        pooled_projection_dim=16,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 6, 6),
    )
    return df.FluxPipeline(
        scheduler=df.FlowMatchEulerDiscreteScheduler(),
        vae=vae(),
        text_encoder=clip(),
        tokenizer=tokenizer(),
        text_encoder_2=t5() if with_t5 else None,
        tokenizer_2=tokenizer(512) if with_t5 else None,
        transformer=transformer,
    )


def t5(width: int = 24) -> tf.PreTrainedModel:
    config = tf.T5Config(
        vocab_size=320, d_model=width, d_kv=8, d_ff=32, num_layers=1, num_heads=2
    )  # fmt: skip
    return tf.T5EncoderModel(config).eval()


def pixart() -> df.PixArtSigmaPipeline:
    transformer = df.PixArtTransformer2DModel(
        sample_size=8,
        num_layers=2,
        patch_size=2,
        attention_head_dim=8,
        num_attention_heads=2,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=16,
        caption_channels=24,
        use_additional_conditions=False,
    )
    return df.PixArtSigmaPipeline(
        tokenizer=tokenizer(300),
        text_encoder=t5(),
        vae=vae(),
        transformer=transformer,
        scheduler=df.DPMSolverMultistepScheduler(),
    )


def sd3(with_t5: bool = False) -> df.StableDiffusion3Pipeline:
    transformer = df.SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=4,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=48,
        caption_projection_dim=16,
        pooled_projection_dim=40,
        out_channels=4,
        pos_embed_max_size=8,
    )
    return df.StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=df.FlowMatchEulerDiscreteScheduler(),
        vae=vae(),
        text_encoder=clip(16, True),
        tokenizer=tokenizer(),
        text_encoder_2=clip(24, True),
        tokenizer_2=tokenizer(),
        text_encoder_3=t5(48) if with_t5 else None,
        tokenizer_3=tokenizer(256) if with_t5 else None,
    )


def sdxl(zeros: bool = True) -> df.StableDiffusionXLPipeline:
    return df.StableDiffusionXLPipeline(
        vae=vae(),
        text_encoder=clip(16),
        text_encoder_2=clip(24, True),
        tokenizer=tokenizer(),
        tokenizer_2=tokenizer(),
        unet=unet(
            40,
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + 24,
        ),
        scheduler=df.EulerDiscreteScheduler(),
        force_zeros_for_empty_prompt=zeros,
        add_watermarker=False,
    )


def sd() -> df.StableDiffusionPipeline:
    return df.StableDiffusionPipeline(
        vae=vae(),
        text_encoder=clip(16),
        tokenizer=tokenizer(),
        unet=unet(16),
        scheduler=df.DDIMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def clap_text(**more) -> dict:
    return {
        "vocab_size": 320, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": LENGTH + 2, "pad_token_id": 1,
        "projection_dim": 16, **more,
    }  # fmt: skip


def clap() -> tf.ClapModel:
    sounds = {
        "depths": [1, 1], "num_attention_heads": [2, 2], "hidden_size": 8,
        "patch_embeds_hidden_size": 4, "window_size": 2, "num_mel_bins": 16, "spec_size": 64,
    }  # fmt: skip
    config = tf.ClapConfig(text_config=clap_text(), audio_config=sounds, projection_dim=16)
    return tf.ClapModel(config).eval()


def vocoder() -> tf.SpeechT5HifiGan:
    config = tf.SpeechT5HifiGanConfig(
        model_in_dim=8,
        sampling_rate=16000,
        upsample_initial_channel=16,
        upsample_rates=[2, 2],
        upsample_kernel_sizes=[4, 4],
        resblock_kernel_sizes=[3, 7],
        resblock_dilation_sizes=[[1, 3, 5], [1, 3, 5]],
        normalize_before=False,
    )
    made = tf.SpeechT5HifiGan(config).eval()
    made.conv_post.weight.data.mul_(1e5)  # random weights only whisper
    return made


def sound_parts() -> dict:
    return {
        "vae": df.AutoencoderKL(
            in_channels=1,
            out_channels=1,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            block_out_channels=(8, 8),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
        ),
        "unet": df.UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=(8, 16),
            attention_head_dim=2,
            norm_num_groups=4,
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=16,
            class_embeddings_concat=True,
        ),
        "scheduler": df.DDIMScheduler(clip_sample=False, steps_offset=1),
        "vocoder": vocoder(),
        "tokenizer": tokenizer(),
    }


def audioldm() -> df.AudioLDMPipeline:
    text = tf.ClapTextModelWithProjection(tf.ClapTextConfig(**clap_text())).eval()
    return df.AudioLDMPipeline(text_encoder=text, **sound_parts())


def musicldm() -> df.MusicLDMPipeline:
    hears = tf.ClapFeatureExtractor(feature_size=16)
    return df.MusicLDMPipeline(text_encoder=clap(), feature_extractor=hears, **sound_parts())


def animatediff() -> df.AnimateDiffPipeline:
    motion = df.MotionAdapter(
        block_out_channels=(8, 16), motion_layers_per_block=1, motion_norm_num_groups=4,
        motion_num_attention_heads=2, motion_max_seq_length=16, use_motion_mid_block=True,
    )  # fmt: skip
    return df.AnimateDiffPipeline(
        vae=vae(),
        text_encoder=clip(16),
        tokenizer=tokenizer(),
        unet=unet(16),
        motion_adapter=motion,
        scheduler=df.DDIMScheduler(clip_sample=False, steps_offset=1, beta_schedule="linear"),
    )


VIDEO_MAKERS = {"animatediff": animatediff}

SOUND_MAKERS = {"audioldm": audioldm, "musicldm": musicldm}
PROMPT_MAKERS = {"pixart": pixart, "sd3-t5": lambda: sd3(with_t5=True)}

MAKERS = {
    "flux": flux,
    "flux-guided": lambda: flux(guidance=True),
    "flux-no-t5": lambda: flux(with_t5=False),
    "sd3": sd3,
    "sdxl": sdxl,
    "sdxl-no-zeros": lambda: sdxl(zeros=False),
    "sd": sd,
}


@cache
def folder(name: str) -> Path:
    torch.manual_seed(0)
    made = Path(mkdtemp(prefix="m2m-pipeline-")) / name
    {**MAKERS, **SOUND_MAKERS, **PROMPT_MAKERS, **VIDEO_MAKERS}[name]().save_pretrained(made)
    return made
