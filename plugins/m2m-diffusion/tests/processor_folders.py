"""Pipelines whose text model is of several modalities, and its tokenizer a processor."""

import itertools

import diffusers as df
import transformers as tf
from detected_folders import flux2_transformer, flux2_vae
from diffusers.pipelines.flux2.system_messages import SYSTEM_MESSAGE
from pipeline_folders import clip, tokenizer, vae

from m2m_adapters.testing import small_models


def instructed(before: str, length: int) -> tf.PreTrainedTokenizerBase:
    """A tokenizer that makes ``length`` tokens of an instruction, as the pipeline expects."""
    made = tokenizer(2048)
    parts = length - 1  # and one token for the start of a text
    ends = [len(before) * n // parts for n in range(length)]
    made.add_tokens(
        [tf.AddedToken(before[a:b], normalized=False) for a, b in itertools.pairwise(ends)]
    )
    return made


def qwen_vl() -> tf.Qwen2_5_VLForConditionalGeneration:
    config = tf.Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 600,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
            "rope_theta": 1000000.0,
        },
        vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2,
            "out_hidden_size": 16,
        },
        vocab_size=600, vision_end_token_id=1, vision_start_token_id=1, vision_token_id=1,
        image_token_id=598, video_token_id=599,
    )  # fmt: skip
    return tf.Qwen2_5_VLForConditionalGeneration(config).eval()


def kandinsky5_parts(pipeline: type) -> dict:
    empty = pipeline(*[None] * 7)
    before = empty.prompt_template.split("{}")[0]
    own = instructed(before, empty.prompt_template_encode_start_idx)
    own.add_special_tokens({"additional_special_tokens": ["<|image_pad|>", "<|video_pad|>"]})
    processor = tf.Qwen2_5_VLProcessor(
        tf.Qwen2VLImageProcessor(), own, tf.Qwen2VLVideoProcessor(), chat_template="x"
    )
    transformer = df.Kandinsky5Transformer3DModel(
        in_visual_dim=4, in_text_dim=16, in_text_dim2=16, time_dim=8, out_visual_dim=4,
        patch_size=(1, 2, 2), model_dim=12, ff_dim=16, num_text_blocks=1, num_visual_blocks=1,
        axes_dims=(2, 2, 2),
    )  # fmt: skip
    return {
        "transformer": small_models.spread(transformer, 0.3), "text_encoder": qwen_vl(), "tokenizer": processor,
        "text_encoder_2": clip(16, length=77), "tokenizer_2": tokenizer(77),
        "scheduler": df.FlowMatchEulerDiscreteScheduler(),
    }  # fmt: skip


def kandinsky5() -> df.Kandinsky5T2IPipeline:
    return df.Kandinsky5T2IPipeline(vae=vae(), **kandinsky5_parts(df.Kandinsky5T2IPipeline))


def kandinsky5_video() -> df.Kandinsky5T2VPipeline:
    made = df.AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8, 8), layers_per_block=1, norm_num_groups=4,
    )  # fmt: skip
    parts = kandinsky5_parts(df.Kandinsky5T2VPipeline)
    return df.Kandinsky5T2VPipeline(vae=made.eval(), **parts)


def flux2() -> df.Flux2Pipeline:
    own = instructed(SYSTEM_MESSAGE, 34)
    own.add_special_tokens({"additional_special_tokens": ["[IMG]", "[IMG_BREAK]", "[IMG_END]"]})
    own.chat_template = (
        "{% for m in messages %}{% for c in m['content'] %}{{ c['text'] }}{% endfor %}{% endfor %}"
    )
    processor = tf.PixtralProcessor(
        tf.PixtralImageProcessor(), own, chat_template=own.chat_template
    )
    config = tf.Mistral3Config(
        text_config={
            "model_type": "mistral", "vocab_size": 400, "hidden_size": 8, "intermediate_size": 16,
            "num_hidden_layers": 31, "num_attention_heads": 2, "num_key_value_heads": 2,
            "head_dim": 4, "max_position_embeddings": 1024,
        },
        vision_config={
            "model_type": "pixtral", "hidden_size": 8, "intermediate_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
            "head_dim": 4,
        },
    )  # fmt: skip
    return df.Flux2Pipeline(
        scheduler=df.FlowMatchEulerDiscreteScheduler(), vae=flux2_vae(),
        text_encoder=tf.Mistral3ForConditionalGeneration(config).eval(), tokenizer=processor,
        transformer=small_models.spread(flux2_transformer(24), 0.3),
    )  # fmt: skip


MAKERS = {"kandinsky5": kandinsky5, "kandinsky5-video": kandinsky5_video, "flux2": flux2}
