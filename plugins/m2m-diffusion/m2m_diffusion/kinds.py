"""What each pipeline class consumes: which text towers, and how a vector becomes arguments.

A vector of the space is ``[pooled | sequence]``, either of which may be missing. At token level
FLUX and Stable Diffusion 3 have the sequence too (``readings.py``):

==========================  =====================  ==========================================
pipeline                    vector                 what stands where the rest would be
==========================  =====================  ==========================================
FluxPipeline                pooled                 a neutral prompt for T5
StableDiffusion3Pipeline    both pooled, joined    the towers' states of "", zeros for T5
PixArt, Sana, Qwen-Image    sequence and mask      nothing is missing
Wan, LTX, Stable Audio      sequence and mask      nothing is missing
AudioLDM 2, Kandinsky 5     pooled, sequence,      nothing is missing
                            mask
FLUX.2, CogVideoX           sequence               nothing is missing
StableDiffusionXLPipeline   pooled and sequence    nothing is missing
StableDiffusionPipeline     sequence               nothing is missing
KandinskyV22Pipeline        image embedding        nothing is missing
AnimateDiffPipeline         sequence               nothing is missing
AudioLDMPipeline            pooled, of length 1    nothing is missing
MusicLDMPipeline            pooled, of length 1    nothing is missing
==========================  =====================  ==========================================

Another class is added with :func:`register_kind`, by any package, before its model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import TextEncoder
from m2m_diffusion import readings
from m2m_diffusion.audioldm2 import AUDIOLDM2
from m2m_diffusion.guidance import always_guided, guide, guide_any, guide_flux, guide_qwen
from m2m_diffusion.neutral import flux_sequence, sd3_sequence
from m2m_diffusion.prompts import Prompts
from m2m_diffusion.videos import videos

if TYPE_CHECKING:
    from m2m_diffusion.detected import Interface
    from m2m_diffusion.folders import Place
    from m2m_diffusion.loaded import Loaded


def both(pooled: Any, sequence: Any) -> dict[str, Any]:
    """The arguments of most: token states, and a pooled vector where there is one."""
    arguments = {"prompt_embeds": sequence, "pooled_prompt_embeds": pooled}
    return {name: value for name, value in arguments.items() if value is not None}


def pooled_alone(pooled: Any, sequence: Any) -> dict[str, Any]:
    """Pipelines whose ``prompt_embeds`` are one vector a prompt."""
    return {"prompt_embeds": pooled}


def images(pipeline: Any, output: Any) -> list[Any]:
    return list(output.images)


def image(pipeline: Any, output: Any) -> list[Any]:
    """Of Kandinsky 5, whose output has another name for its pictures."""
    return list(output.image)


def sounds(pipeline: Any, output: Any) -> list[Any]:
    """(float32 samples, rate), as targets of sounds take them."""
    return [(samples, int(pipeline.vocoder.config.sampling_rate)) for samples in output.audios]


def waves(pipeline: Any, output: Any) -> list[Any]:
    """(float32 samples ``[channels, n]``, rate)."""
    rate = int(pipeline.vae.sampling_rate)
    return [(samples.float().cpu().numpy(), rate) for samples in output.audios]


def image_embeds(pooled: Any, sequence: Any) -> dict[str, Any]:
    return {"image_embeds": pooled}


def prior_text(model: Loaded) -> TextEncoder:
    from m2m_diffusion.kandinsky import PriorText

    return PriorText(model)


def _where(model: Loaded) -> dict[str, Any]:
    return {"device": model.device, "dtype": model.dtype}


def _neutral_flux(model: Loaded) -> Any:
    width = model.place.setting("transformer", "joint_attention_dim")
    return flux_sequence(model.place, width, **_where(model))


def _neutral_sd3(model: Loaded) -> Any:
    width = model.place.setting("transformer", "joint_attention_dim")
    return sd3_sequence(model.text, width, **_where(model))


@dataclass(frozen=True)
class Kind:
    """How a class of pipelines takes its text.

    towers: parts that span the space; pooled: those of them whose pooled vector is consumed.
    sequence: whether the token states are a part of the space, and ``layer`` which states
    (0 the last, after its norm; -2 those of the layer before).
    idle: parts that are left out of the pipeline besides the towers and their tokenizers.
    backbone: the part that denoises. parts: what else nothing can be made without.
    modality: of what comes out. normalized: the pipeline was trained on vectors of length 1.
    keeps_towers: the class asks its text encoder for something even when vectors are given.
    arguments: (pooled ``[n, d]`` or None, sequence ``[n, tokens, width]`` or None) -> keywords
    of the pipeline's call; those of a negative get ``negative_`` before their names.
    neutral: ``[1, tokens, width]`` for a pipeline that wants a sequence the space has not.
    guide: see :func:`guide`. results: (pipeline, its output) -> a list of items.
    module: where the class is imported from.
    prompts: how the class reads a prompt token by token, for adapters of token level. Where
    nothing is pooled, it is so read at sentence level too.
    unguided_by_itself: the class has a conditioning of its own for no prompt at all, which it is
    guided by where no negative is named.
    text: makes the text encoder of a class that has none of its own; it needs ``split``,
    ``negative`` and ``loaded`` as those of :mod:`m2m_diffusion.text` have them.
    one_by_one: the class takes no mask, so that prompts of different lengths cannot share a call.
    """

    towers: tuple[str, ...]
    pooled: tuple[str, ...]
    sequence: bool
    layer: int
    idle: tuple[str, ...]
    backbone: str
    parts: tuple[str, ...] = ("vae", "scheduler")
    modality: str = "image"
    normalized: bool = False
    keeps_towers: bool = False
    arguments: Callable[[Any, Any], dict[str, Any]] = both
    neutral: Callable[[Loaded], Any] | None = None
    guide: Callable[[Any, dict[str, Any], Any, bool], bool] = guide
    results: Callable[[Any, Any], list[Any]] = images
    module: str = "diffusers"
    prompts: Prompts | None = None
    unguided_by_itself: bool = False
    text: Callable[[Loaded], TextEncoder] | None = None
    one_by_one: bool = False

    @property
    def unneeded(self) -> tuple[str, ...]:
        """Parts the pipeline is loaded without."""
        texts = self.idle if self.keeps_towers else (*self.towers, *self.idle)
        return (*texts, *(name.replace("text_encoder", "tokenizer") for name in texts))


_SOUND = Kind(
    ("text_encoder",), ("text_encoder",), False, 0, (), "unet", ("vae", "scheduler", "vocoder"),
    "audio", normalized=True, keeps_towers=True, arguments=pooled_alone, results=sounds,
)  # fmt: skip


def _by_prompts(prompts: Prompts, **more: Any) -> Kind:
    """A transformer that reads the token states of a T5 or LLM."""
    return Kind(prompts.needs, (), True, 0, (), "transformer", prompts=prompts, **more)


def _video(prompts: Prompts, rate: float) -> Kind:
    return _by_prompts(prompts, modality="video", results=videos(rate))


KINDS = {
    "FluxPipeline": Kind(
        ("text_encoder",),
        ("text_encoder",),
        False,
        0,
        ("text_encoder_2",),
        "transformer",
        neutral=_neutral_flux,
        guide=guide_flux,
        prompts=readings.FLUX,
    ),
    "StableDiffusion3Pipeline": Kind(
        ("text_encoder", "text_encoder_2"),
        ("text_encoder", "text_encoder_2"),
        False,
        -2,
        ("text_encoder_3",),
        "transformer",
        neutral=_neutral_sd3,
        prompts=readings.SD3,
    ),
    "StableDiffusionXLPipeline": Kind(
        ("text_encoder", "text_encoder_2"), ("text_encoder_2",), True, -2, (), "unet"
    ),
    "StableDiffusionPipeline": Kind(("text_encoder",), (), True, 0, (), "unet"),
    "AnimateDiffPipeline": Kind(
        ("text_encoder",),
        (),
        True,
        0,
        (),
        "unet",
        ("vae", "scheduler", "motion_adapter"),
        "video",
        results=videos(8),
    ),
    "PixArtAlphaPipeline": _by_prompts(readings.PIXART),
    "PixArtSigmaPipeline": _by_prompts(readings.PIXART),
    "SanaPipeline": _by_prompts(readings.SANA),
    "QwenImagePipeline": _by_prompts(readings.QWEN, guide=guide_qwen),
    "Flux2Pipeline": _by_prompts(readings.FLUX2, guide=guide_any),
    "Kandinsky5T2IPipeline": _by_prompts(readings.KANDINSKY5, results=image, one_by_one=True),
    "Kandinsky5T2VPipeline": _by_prompts(
        readings.KANDINSKY5, modality="video", results=videos(24), one_by_one=True
    ),
    "LTXPipeline": _video(readings.LTX, 24),
    "WanPipeline": _video(readings.WAN, 16),
    "CogVideoXPipeline": _video(readings.COGVIDEOX, 8),
    "StableAudioPipeline": _by_prompts(
        readings.STABLE_AUDIO, modality="audio", results=waves, unguided_by_itself=True
    ),
    "AudioLDM2Pipeline": Kind(
        AUDIOLDM2.needs,
        (),
        True,
        0,
        (),
        "unet",
        ("vae", "scheduler", "vocoder"),
        "audio",
        keeps_towers=True,
        results=sounds,
        prompts=AUDIOLDM2,
    ),
    "KandinskyV22Pipeline": Kind(
        (),
        (),
        False,
        0,
        (),
        "unet",
        ("movq", "scheduler"),
        arguments=image_embeds,
        guide=always_guided,
        text=prior_text,
    ),
    "AudioLDMPipeline": _SOUND,
    "MusicLDMPipeline": _SOUND,
}


WITHOUT_TOWERS = ("AuraFlowPipeline", "Flux2KleinPipeline")
"""Classes that are not listed above, and whose call was seen to need no text encoder."""


def register_kind(pipeline_class: str, kind: Kind) -> None:
    """Teach this process another class of pipelines; a class that is known cannot be changed."""
    if KINDS.get(pipeline_class, kind) != kind:
        raise UserError(f"'{pipeline_class}' is registered already", "give your class another name")
    KINDS[pipeline_class] = kind


def kind_of(place: Place) -> Kind:
    """The kind that was registered for a pipeline's class, else what can be seen of it."""
    name = place.pipeline_class
    if name in KINDS:
        return KINDS[name]
    import diffusers

    from m2m_diffusion.detected import interface_of

    made_of = getattr(diffusers, name, None) if name else None
    interface = None if made_of is None else interface_of(made_of)
    if interface is None:
        raise UserError(
            f"{place.name} is of class '{name or 'unknown'}', a pipeline that "
            "m2m-diffusion does not support",
            f"give a {', '.join(KINDS)}, or add yours with m2m_diffusion.kinds.register_kind",
        )
    return _detected(place, interface)


def _detected(place: Place, interface: Interface) -> Kind:
    from m2m_diffusion.detected import BACKBONES, detected_prompts

    held = [key for key in place.index if place.holds(key)]
    backbone = next((part for part in BACKBONES if part in held), BACKBONES[0])
    outputs = {"image": images, "audio": any_sounds}
    texts = tuple(part for part in held if part.startswith(("text_encoder", "tokenizer")))
    leaves_out = place.pipeline_class in WITHOUT_TOWERS
    return Kind(
        tuple(part for part in texts if part.startswith("text_encoder")),
        (),
        True,
        0,
        (),
        backbone,
        tuple(part for part in ("vae", "scheduler", "vocoder") if part in held),
        interface.modality,
        keeps_towers=not leaves_out,
        guide=guide_any,
        results=outputs.get(interface.modality) or videos(_rate(interface)),
        prompts=detected_prompts(place, interface),
    )


def _rate(interface: Interface) -> float:
    rate = interface.call.get("frame_rate")
    return float(rate) if isinstance(rate, int | float) else 16.0


def any_sounds(pipeline: Any, output: Any) -> list[Any]:
    """Of a pipeline with a vocoder, or whose VAE knows the rate."""
    return sounds(pipeline, output) if hasattr(pipeline, "vocoder") else waves(pipeline, output)
