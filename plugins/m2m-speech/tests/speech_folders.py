"""Speech models as the hub serves them, small, from their own configs, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from m2m_adapters.testing import small_models

RATE = 16_000


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """float32 tones and noise, different for every seed."""
    return small_models.tone(seconds, RATE, seed)


def sounds() -> list[Any]:
    return [(sound(seconds, seed), RATE) for seed, seconds in enumerate((0.6, 1.7, 0.05, 2.3))]


def folder(name: str) -> Path:
    return small_models.folder(name, {
        "seamless": save_seamless, "seamless-v2": save_seamless_v2, "sonar": save_sonar,
        "nllb": save_nllb, "wav2vec2-bert": save_wav_bert, "wav2vec2-bert-adapted": save_adapted,
        "whisper": save_whisper, "qwen2-audio": save_qwen2_audio, "granite": save_granite,
    }[name])  # fmt: skip


SEAMLESS = {
    "hidden_size": 16, "speech_encoder_layers": 3, "speech_encoder_attention_heads": 2,
    "speech_encoder_intermediate_size": 24, "encoder_layers": 2, "encoder_ffn_dim": 24,
    "encoder_attention_heads": 2, "decoder_layers": 1, "decoder_ffn_dim": 24,
    "decoder_attention_heads": 2, "t2u_vocab_size": 30, "t2u_encoder_layers": 1,
    "t2u_decoder_layers": 1, "t2u_encoder_ffn_dim": 16, "t2u_decoder_ffn_dim": 16,
    "t2u_encoder_attention_heads": 2, "t2u_decoder_attention_heads": 2,
    "unit_hifi_gan_vocab_size": 20, "unit_embed_dim": 8, "upsample_initial_channel": 64,
    "lang_embed_dim": 8, "spkr_embed_dim": 8, "vocoder_num_langs": 3, "vocoder_num_spkrs": 2,
    "num_adapter_layers": 1, "max_position_embeddings": 64,
}  # fmt: skip


def _seamless(path: Path, config: Any, model: Any) -> Path:
    import transformers as tf

    tokenizer = small_models.bert_tokenizer(60)
    made = model(config(**SEAMLESS, vocab_size=len(tokenizer), pad_token_id=0))
    extractor = tf.SeamlessM4TFeatureExtractor()
    return small_models.save_all(path, small_models.spread(made, 0.2), tokenizer, extractor)


def save_seamless(path: Path) -> Path:
    import transformers as tf

    return _seamless(path, tf.SeamlessM4TConfig, tf.SeamlessM4TModel)


def save_seamless_v2(path: Path) -> Path:
    import transformers as tf

    return _seamless(path, tf.SeamlessM4Tv2Config, tf.SeamlessM4Tv2Model)


def _m2m_100(path: Path, name: str) -> Path:
    import transformers as tf
    import transformers.models.m2m_100.modeling_m2m_100 as code

    tokenizer = small_models.bert_tokenizer(60)
    config = tf.M2M100Config(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=2, encoder_attention_heads=2,
        encoder_ffn_dim=24, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=24,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    made = small_models.spread(getattr(code, name)(config), 0.2)
    return small_models.save_all(path, made, tokenizer)


def save_sonar(path: Path) -> Path:
    return _m2m_100(path, "M2M100Encoder")


def save_nllb(path: Path) -> Path:
    return _m2m_100(path, "M2M100ForConditionalGeneration")


def save_wav_bert(path: Path, **options: Any) -> Path:
    import transformers as tf

    made = tf.Wav2Vec2BertModel(tf.Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        output_hidden_size=16, **options,
    ))  # fmt: skip
    extractor = tf.SeamlessM4TFeatureExtractor()
    return small_models.save_all(path, small_models.spread(made, 0.2), extractor)


def save_adapted(path: Path) -> Path:
    return save_wav_bert(path, add_adapter=True)


def save_whisper(path: Path) -> Path:
    import transformers as tf

    made = tf.WhisperForConditionalGeneration(tf.WhisperConfig(
        vocab_size=60, d_model=16, encoder_layers=2, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=24, decoder_ffn_dim=24, num_mel_bins=16,
        max_source_positions=150, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    ))  # fmt: skip
    extractor = tf.WhisperFeatureExtractor(feature_size=16, chunk_length=3)
    return small_models.save_all(path, small_models.spread(made, 0.2), extractor)


LANGUAGE_MODEL = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 2,
    "intermediate_size": 24, "max_position_embeddings": 512,
}  # fmt: skip


def save_qwen2_audio(path: Path) -> Path:
    import transformers as tf

    tokenizer = small_models.bert_tokenizer(60)
    config = tf.Qwen2AudioConfig(
        audio_config={
            "model_type": "qwen2_audio_encoder", "d_model": 12, "encoder_layers": 2,
            "encoder_attention_heads": 2, "encoder_ffn_dim": 24, "num_mel_bins": 16,
            "max_source_positions": 150,
        },
        text_config={"model_type": "qwen2", "vocab_size": len(tokenizer), **LANGUAGE_MODEL},
        audio_token_index=4,
    )  # fmt: skip
    made = small_models.spread(tf.Qwen2AudioForConditionalGeneration(config), 0.2)
    extractor = tf.WhisperFeatureExtractor(feature_size=16, chunk_length=3)
    return small_models.save_all(path, made, tokenizer, extractor)


def save_granite(path: Path) -> Path:
    import transformers as tf

    tokenizer = small_models.bert_tokenizer(60)
    config = tf.GraniteSpeechConfig(
        encoder_config={
            "model_type": "granite_speech_encoder", "input_dim": 160, "num_layers": 2,
            "hidden_dim": 16, "num_heads": 2, "dim_head": 8, "output_dim": 10, "context_size": 20,
            "max_pos_emb": 32, "feedforward_mult": 2,
        },
        projector_config={
            "model_type": "blip_2_qformer", "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "intermediate_size": 24, "encoder_hidden_size": 16,
        },
        text_config={"model_type": "granite", "vocab_size": len(tokenizer), **LANGUAGE_MODEL},
        audio_token_index=4, has_lora_adapter=False,
    )  # fmt: skip
    made = small_models.spread(tf.GraniteSpeechForConditionalGeneration(config), 0.2)
    return small_models.save_all(path, made, tokenizer)
