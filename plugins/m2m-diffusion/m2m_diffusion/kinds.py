"""What each pipeline class consumes: which text towers, and how a vector becomes arguments.

A vector of the space is ``[pooled | sequence]``, either of which may be missing:

==========================  =====================  ==========================================
pipeline                    vector                 what stands where the rest would be
==========================  =====================  ==========================================
FluxPipeline                pooled                 a neutral prompt for T5
StableDiffusion3Pipeline    both pooled, joined    the towers' states of "", zeros for T5
StableDiffusionXLPipeline   pooled and sequence    nothing is missing
StableDiffusionPipeline     sequence               nothing is missing
==========================  =====================  ==========================================
"""

from __future__ import annotations

from dataclasses import dataclass

from m2m_adapters.errors import UserError


@dataclass(frozen=True)
class Kind:
    """How a class of pipelines takes its text.

    towers: parts that span the space; pooled: those of them whose pooled vector is consumed.
    sequence: whether the token states are a part of the space, and ``layer`` which states
    (0 the last, after its norm; -2 those of the layer before).
    idle: parts that are left out of the pipeline besides the towers and their tokenizers.
    backbone: the part that denoises.
    """

    towers: tuple[str, ...]
    pooled: tuple[str, ...]
    sequence: bool
    layer: int
    idle: tuple[str, ...]
    backbone: str

    @property
    def unneeded(self) -> tuple[str, ...]:
        """Parts the pipeline is loaded without."""
        texts = (*self.towers, *self.idle)
        return (*texts, *(name.replace("text_encoder", "tokenizer") for name in texts))


KINDS = {
    "FluxPipeline": Kind(
        ("text_encoder",), ("text_encoder",), False, 0, ("text_encoder_2",), "transformer"
    ),
    "StableDiffusion3Pipeline": Kind(
        ("text_encoder", "text_encoder_2"),
        ("text_encoder", "text_encoder_2"),
        False,
        -2,
        ("text_encoder_3",),
        "transformer",
    ),
    "StableDiffusionXLPipeline": Kind(
        ("text_encoder", "text_encoder_2"), ("text_encoder_2",), True, -2, (), "unet"
    ),
    "StableDiffusionPipeline": Kind(("text_encoder",), (), True, 0, (), "unet"),
}


def kind_of(pipeline_class: str, name: str) -> Kind:
    if pipeline_class not in KINDS:
        raise UserError(
            f"{name} is a '{pipeline_class or 'nameless'}', which m2m-diffusion does not know",
            f"give a {', '.join(KINDS)}, or write a plugin for it (m2m new-plugin)",
        )
    return KINDS[pipeline_class]
