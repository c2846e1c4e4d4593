"""What the frozen denoiser answers to a conditioning: its predictions on latents given to it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import Vectors
from m2m_diffusion.call import call_arguments, generators
from m2m_diffusion.loaded import Loaded

if TYPE_CHECKING:
    from m2m_diffusion.kinds import Kind

LATENTS = ("hidden_states", "sample", "x")
"""What denoisers call their first input."""


class Generator(Loaded, Protocol):
    """A :class:`~m2m_diffusion.target.DiffusionModel`, as the functions below need it."""

    kind: Kind
    modality: str
    defaults: dict[str, Any]

    def conditioning(self, vectors: Any, *, guided: bool = True) -> dict[str, Any]: ...


class Recorder:
    """Hooks on a denoiser: keeps its inputs and predictions, or gives it recorded inputs."""

    def __init__(self, latents: Sequence[Any] | None = None) -> None:
        self.replayed = latents
        self.latents: list[Any] = []
        self.predictions: list[Any] = []

    def before(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        name = None if args else next((name for name in LATENTS if name in kwargs), None)
        if not args and name is None:
            raise UserError(
                f"{type(module).__name__} takes no latents that --judge denoiser can record",
                f"its first input must be one of {', '.join(LATENTS)}",
            )
        latents = kwargs[name] if name is not None else args[0]
        if self.replayed is not None:
            latents = self.replayed[len(self.latents)].to(latents)
        self.latents.append(latents.detach().clone())
        if name is None:
            return (latents, *args[1:]), kwargs
        return args, {**kwargs, name: latents}

    def after(self, module: Any, args: tuple[Any, ...], output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output.sample
        if isinstance(first, (list, tuple)):
            first = first[0]
        self.predictions.append(first.detach().float().cpu())


def responses(
    model: Generator,
    conditioning: dict[str, Any],
    noise: list[Any],
    call: dict[str, Any],
    latents: Sequence[Any] | None = None,
) -> Recorder:
    """One run of the pipeline without guidance; with ``latents`` the denoiser sees those."""
    import torch

    recorder = Recorder(latents)
    backbone = getattr(model.pipeline, model.kind.backbone)
    hooks = [
        backbone.register_forward_pre_hook(recorder.before, with_kwargs=True),
        backbone.register_forward_hook(recorder.after),
    ]
    try:
        with torch.inference_mode():
            model.pipeline(**call, **conditioning, generator=noise)
    finally:
        for hook in hooks:
            hook.remove()
    return recorder


def changes(
    model: Generator,
    native: Vectors,
    others: Sequence[Vectors],
    levels: int,
    seed: int,
    batch_size: int,
    options: dict[str, Any],
) -> npt.NDArray[np.float64]:
    """``DiffusionModel.denoiser_changes``."""
    given = {**options, "steps": levels, "guidance": 1.0}
    call, _ = call_arguments(
        model.pipeline, model.kind, given, defaults=model.defaults, has_negative=False
    )
    if "output_type" in inspect.signature(type(model.pipeline).__call__).parameters:
        call["output_type"] = "np" if model.modality == "audio" else "latent"
    parts: list[Any] = []
    for start in range(0, len(native), batch_size):
        rows = range(start, min(start + batch_size, len(native)))

        def ask(vectors: Vectors, rows: range = rows, latents: Any = None) -> Recorder:
            noise = [generators(seed + row, 1, 1)[0] for row in rows]
            conditioning = model.conditioning(vectors[rows.start : rows.stop], guided=False)
            return responses(model, conditioning, noise, call, latents)

        own = ask(native)
        after = [ask(other, latents=own.latents) for other in others]
        parts.append(differences([one.predictions for one in (own, *after)]))
    return np.concatenate(parts)


def differences(runs: Sequence[Sequence[Any]]) -> npt.NDArray[np.float64]:
    """Mean squared differences of predictions between runs, float64 ``[n, calls, runs, runs]``."""
    each = []
    for call in zip(*runs, strict=True):
        rows = [one.double().flatten(1) for one in call]
        pairs = [[(a - b).square().mean(1).numpy() for b in rows] for a in rows]
        each.append(np.array(pairs).transpose(2, 0, 1))
    return np.stack(each, 1)
