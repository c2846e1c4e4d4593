"""SeamlessM4T, both versions: its text encoder and its speech encoder, of one width.

The decoder reads the states of either; whether their means meet is what ``m2m analyze`` shows.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from m2m_adapters.models import Located, load_tokenizer, read_config
from m2m_speech.hearing import Hears
from m2m_speech.parts import load_part
from m2m_speech.reading import Reads

TEXT_NAMES = {r"^text_encoder\.": "", r"^shared\.weight": "embed_tokens.weight"}
SPEECH_NAMES = {r"^speech_encoder\.": ""}


class Seamless(Hears, Reads):
    """Text and speech of SeamlessM4T; each half is loaded when it is first needed.

    adaptor: False leaves out the length adaptor, which shortens speech to about the length of
        text.
    """

    def __init__(
        self, located: Located, *, device: Any, precision: str, adaptor: bool = True
    ) -> None:
        self.prepare_to_hear(located, device=device, precision=precision)
        config = read_config(located.folder)
        self.dim = int(config["hidden_size"])
        self.tokenizer = load_tokenizer(located.folder, int(config["vocab_size"]))
        longest = int(config.get("max_position_embeddings", 4096))
        self.max_tokens = min(longest, int(self.tokenizer.model_max_length))
        self.adaptor = adaptor
        self.variant = "mean" if adaptor else "mean:frames"
        self._second = config["model_type"] == "seamless_m4t_v2"

    def _class(self, name: str) -> Any:
        import transformers.models.seamless_m4t.modeling_seamless_m4t as first
        import transformers.models.seamless_m4t_v2.modeling_seamless_m4t_v2 as second

        if self._second:
            return getattr(second, f"SeamlessM4Tv2{name}")
        return getattr(first, f"SeamlessM4T{name}")

    @cached_property
    def model(self) -> Any:  # type: ignore[override]
        """transformers' text encoder."""
        made_of = self._class("Encoder")
        return load_part(made_of, self.located.folder, self.dtype, TEXT_NAMES).to(self.device)

    @cached_property
    def speech_encoder(self) -> Any:
        """transformers' speech encoder."""
        changed = {} if self.adaptor else {"add_adapter": False}
        made_of = self._class("SpeechEncoder")
        part = load_part(made_of, self.located.folder, self.dtype, SPEECH_NAMES, **changed)
        return part.to(self.device)

    def load_speech(self) -> None:
        super().load_speech()
        self.speech_encoder  # noqa: B018

    def states(self, features: dict[str, Any]) -> Any:
        return self.speech_encoder(**features).last_hidden_state

    def speech_layers(self, features: dict[str, Any]) -> list[Any]:
        """The conformer's layers; with a length adaptor also what leaves it, last."""
        seen: list[Any] = []
        hook = self.speech_encoder.encoder.register_forward_hook(
            lambda module, inputs, output: seen.append(output)
        )
        try:
            out = self.speech_encoder(**features, output_hidden_states=True)
        finally:
            hook.remove()
        # transformers puts the final states where the last layer's would be.
        layers = [*out.hidden_states[:-1], seen[0]]
        return [*layers, out.last_hidden_state] if self.adaptor else layers
