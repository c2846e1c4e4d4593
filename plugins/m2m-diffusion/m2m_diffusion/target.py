"""A diffusion pipeline as a target: its conditioner is the space, images or sounds come out."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel, Vectors
from m2m_adapters.models import (
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    no_progress_bars,
)
from m2m_diffusion.call import call_arguments, generators
from m2m_diffusion.folders import Place, find, in_precision
from m2m_diffusion.kinds import Kind, kind_of
from m2m_diffusion.memory import check_memory, fit_into_memory, loading_options
from m2m_diffusion.prompts import PromptText, pipeline_class
from m2m_diffusion.response import changes
from m2m_diffusion.text import ConditionerText


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    offload: str = "none",
    quantize: str = "none",
    defaults: dict[str, Any] | None = None,
    trust_remote_code: bool = False,
) -> DiffusionModel:
    """The pipeline ``model``: an id of the hub or a folder.

    offload: ``model`` or ``sequential`` keeps weights in main memory until they are needed.
    quantize: ``fp8`` or ``int8`` (needs torchao) keeps the denoiser's weights in eight bits.
    defaults: of ``generate``, for a model that wants others than its class: size, steps, guidance
        and keywords of its pipeline.
    """
    check_memory(offload, quantize)
    place = find(model, revision)
    kind = kind_of(place)
    return DiffusionModel(
        place, kind, device=device, precision=precision, offload=offload, quantize=quantize,
        defaults=defaults or {},
    )  # fmt: skip


class DiffusionModel(ModalityModel):
    """Vectors of the conditioner's space -> images or sounds. Parts are loaded when needed."""

    def __init__(
        self,
        place: Place,
        kind: Kind,
        *,
        device: str,
        precision: str,
        offload: str,
        quantize: str,
        defaults: dict[str, Any],
    ) -> None:
        self.place, self.kind = place, kind
        self.modality = kind.modality
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.dtype = choose_dtype(self.precision)
        self.defaults = defaults
        self._offload, self.quantize = offload, quantize
        self._by_token = kind.prompts is not None and not kind.pooled

    def at_level(self, level: str) -> DiffusionModel:
        """The same pipeline, of which an adapter of token level gives the whole conditioning.

        At sentence level a FLUX or Stable Diffusion 3 gets its pooled vector alone.
        """
        prompts = self.kind.prompts
        if prompts is None or not self.kind.pooled:
            return self
        by_token = level == "token" and all(self.place.holds(part) for part in prompts.needs)
        if by_token == self._by_token:
            return self
        other = copy.copy(self)
        other._by_token = by_token
        for name in ("text", "_neutral"):  # what is loaded of the pipeline itself is shared
            vars(other).pop(name, None)
        return other

    @cached_property
    def text(self) -> Any:
        """The conditioner's text towers, loaded without the rest of the pipeline."""
        if self.kind.text is not None:
            return self.kind.text(self)
        if self._by_token and self.kind.prompts is not None:
            return PromptText(
                self.place,
                self.kind.prompts,
                self._pipeline_class,
                device=self.device,
                dtype=self.dtype,
                precision=self.precision,
            )
        return ConditionerText(
            self.place,
            self.kind,
            device=self.device,
            dtype=self.dtype,
            precision=self.precision,
        )

    @cached_property
    def pipeline(self) -> Any:
        """The pipeline without its text encoders; loaded with the first picture."""
        place, left_out = self.place, set(self.kind.unneeded)
        for part in (*self.kind.parts, self.kind.backbone):
            if not place.holds(part):
                raise UserError(
                    f"{place.name} was saved without its {part}",
                    "save the pipeline with it; only text encoders may be missing",
                )
        made_of = self._pipeline_class()
        # What the class expects must be passed as None, or it complains that it was not saved.
        parts = {
            name: None
            for name in inspect.signature(made_of.__init__).parameters
            if name in left_out or place.index.get(name) == [None, None]
        }
        if self.kind.keeps_towers:  # those that read the text already
            parts |= self.text.loaded()
        folder = place.whole(without=left_out | set(parts))
        try:
            with no_progress_bars("diffusers"):
                pipeline = made_of.from_pretrained(
                    folder,
                    local_files_only=True,
                    **in_precision(self.dtype),
                    **loading_options(self.quantize, self.kind.backbone),
                    **parts,
                )
        except Exception as error:
            raise load_error(folder, error) from error
        pipeline.set_progress_bar_config(disable=True)
        fit_into_memory(
            pipeline, self.kind.backbone, device=self.device, dtype=self.dtype,
            offload=self._offload, quantize=self.quantize,
        )  # fmt: skip
        return pipeline

    def _pipeline_class(self) -> Any:
        return pipeline_class(self.kind.module, self.place.pipeline_class)

    @cached_property
    def _neutral(self) -> Any:
        """``[1, tokens, width]`` for pipelines that want a sequence our space has not."""
        return None if self.kind.neutral is None else self.kind.neutral(self)

    def conditioning(
        self,
        vectors: Vectors,
        *,
        negative: str | Vectors | None = None,
        num_images: int = 1,
        guided: bool = True,
    ) -> dict[str, Any]:
        """Keyword arguments for the pipeline, ``num_images`` rows for each row of ``vectors``.

        negative: what to keep out, as text for the model's own tower or as one vector; None is
        what the pipeline itself would take. guided: whether negatives are wanted at all.
        """
        import torch

        array = np.asarray(vectors, dtype=np.float32)
        if array.ndim != 2 or array.shape[1] != self.text.dim:
            raise UserError(
                f"these vectors have shape {list(array.shape)}; {self.place.pipeline_class} "
                f"takes [n, {self.text.dim}]",
                "encode with an adapter that was aligned to this target",
            )
        if not np.isfinite(array).all():
            raise UserError("these vectors hold NaN or infinity", "encode the prompts again")
        rows = torch.from_numpy(np.ascontiguousarray(array)).to(self.device, self.dtype)
        arguments = self._arguments(rows.repeat_interleave(num_images, 0), "")
        prompts, length = self.kind.prompts, None
        if prompts is not None and prompts.same_length:
            length = int(arguments["attention_mask"].sum(1).max())
        if guided and not (negative is None and self.kind.unguided_by_itself):
            against = self._negative(negative, length).to(self.device, self.dtype)
            arguments |= self._arguments(against.expand(len(rows) * num_images, -1), "negative_")
        if length is None:
            return arguments
        return {
            name: value if "generated" in name else value[:, :length]
            for name, value in arguments.items()
        }

    def _negative(self, negative: str | Vectors | None, length: int | None = None) -> Any:
        """``[1, dim]``. length: of the prompt, where a text is read to the same."""
        import torch

        if negative is None:
            if self.place.index.get("force_zeros_for_empty_prompt"):  # SDXL was trained so
                return torch.zeros(1, self.text.dim)
            negative = ""
        if isinstance(negative, str):
            beside = () if length is None else (length,)
            return torch.from_numpy(self.text.negative(negative, *beside))
        vector = np.asarray(negative, dtype=np.float32).reshape(1, -1)
        if vector.shape[1] != self.text.dim:
            raise UserError(
                "the vector of the negative prompt "
                f"has {vector.shape[1]} columns, not {self.text.dim}",
                "encode it with the same adapter as the prompts",
            )
        return torch.from_numpy(vector)

    def _arguments(self, rows: Any, prefix: str) -> dict[str, Any]:
        if isinstance(self.text, PromptText):
            arguments = self.text.arguments(rows)
        else:
            pooled, sequence = self.text.split(rows)
            if sequence is None and self._neutral is not None:
                sequence = self._neutral.repeat(len(rows), 1, 1)
            arguments = self.kind.arguments(pooled, sequence)
        return {f"{prefix}{name}": value for name, value in arguments.items()}

    def generate(
        self,
        vectors: Vectors,
        *,
        steps: int | None = None,
        guidance: float | None = None,
        size: int | tuple[int, int] | None = None,
        seed: int = 0,
        num_images: int = 1,
        negative: str | Vectors | None = None,
        batch_size: int = 1,
        progress: Callable[[int, int], None] | None = None,
        **options: Any,
    ) -> list[Any]:
        """PIL images or (samples, rate), ``num_images`` for each row of ``vectors`` in turn.

        Image k of every prompt starts from noise of ``seed + k``: one meaning in two languages
        starts alike, and a picture does not depend on the prompts beside it. size: pixels, or
        (width, height). batch_size: prompts at once; another one may change last bits. options:
        whatever else the pipeline's own call takes that none of these settings stands for.
        """
        settings = {"steps": steps, "guidance": guidance, "size": size}
        given = {name: value for name, value in settings.items() if value is not None}
        call, guided = call_arguments(
            self.pipeline, self.kind, {**options, **given},
            defaults=self.defaults, has_negative=negative is not None,
        )  # fmt: skip
        for name, value in (("num_images", num_images), ("batch_size", batch_size)):
            if value < 1:
                raise UserError(f"{name} must be 1 or more, not {value}")
        if self.kind.one_by_one:
            batch_size = 1
        items: list[Any] = []
        for start in range(0, len(vectors), batch_size):
            part = vectors[start : start + batch_size]
            conditioning = self.conditioning(
                part, negative=negative, num_images=num_images, guided=guided
            )
            items += self._run({**call, **conditioning}, generators(seed, num_images, len(part)))
            if progress is not None:
                progress(min(start + batch_size, len(vectors)), len(vectors))
        return items

    def denoiser_changes(
        self,
        native: Vectors,
        others: Sequence[Vectors],
        *,
        levels: int = 4,
        seed: int = 0,
        batch_size: int = 16,
        **options: Any,
    ) -> npt.NDArray[np.float64]:
        """How much the denoiser's predictions change where a conditioning takes another's place.

        native: float32 ``[n, dim]``; others: the same texts, conditioned otherwise. The pipeline
        makes each text's item in ``levels`` steps from noise of its own, conditioned natively and
        not guided; at each step the denoiser is asked again with the other conditioning, on the
        same latents. Mean squared differences between all of them, native first: float64
        ``[n, levels, k, k]``.
        """
        return changes(self, native, others, levels, seed, batch_size, options)

    def _run(self, call: dict[str, Any], noise: Sequence[Any]) -> list[Any]:
        import torch

        try:
            output = self.pipeline(**call, generator=list(noise))
            return self.kind.results(self.pipeline, output)
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{self.device} is out of memory",
                "use a smaller --size, precision fp16 or bf16, --quantize fp8, or --offload model",
            ) from error
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{self.place.pipeline_class} stopped: {str(error)[:240]}", "change that option"
            ) from error
