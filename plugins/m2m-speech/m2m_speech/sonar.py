"""SONAR's text encoder, as ``M2M100Encoder`` weights; also the encoders of NLLB and M2M-100.

SONAR's speech encoders are published for fairseq2; transformers has no class that holds them.
"""

from __future__ import annotations

from typing import Any

from m2m_adapters.models import Located, at_precision, choose_dtype, load_tokenizer, read_config
from m2m_speech.parts import load_part
from m2m_speech.reading import Reads

NAMES = {
    r"^(model\.)?encoder\.": "",
    r"^(model\.)?shared\.weight": "embed_tokens.weight",
}


class Sonar(Reads):
    """The mean of the encoder's states over tokens, as SONAR pools."""

    def __init__(self, located: Located, *, device: Any, precision: str) -> None:
        from transformers import M2M100Config
        from transformers.models.m2m_100.modeling_m2m_100 import M2M100Encoder

        self.located, self.device, self.precision = located, device, precision
        config = M2M100Config(**read_config(located.folder))
        self.dim = int(config.d_model)
        self.tokenizer = load_tokenizer(located.folder, int(config.vocab_size))
        limit = int(self.tokenizer.model_max_length)
        self.max_tokens = min(int(config.max_position_embeddings), limit)
        part = load_part(M2M100Encoder, located.folder, choose_dtype(precision), NAMES)
        self.model = part.to(device)
        self.fingerprint = at_precision(f"speech:{located.fingerprint}:mean", precision)

    @property
    def provenance(self) -> dict[str, Any]:
        return self.located.provenance
