"""One class for every dual image encoder of transformers."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.interfaces import ModalityModel
from m2m_adapters.models import (
    ITEMS,
    DualText,
    ItemTarget,
    Located,
    choose_device,
    choose_dtype,
    choose_precision,
    load_error,
    load_half,
    locate,
    read_config,
    rgb_image,
)

# model_type of the config -> class in transformers
CLASSES = {
    "align": "AlignModel",
    "altclip": "AltCLIPModel",
    "chinese_clip": "ChineseCLIPModel",
    "clip": "CLIPModel",
    "groupvit": "GroupViTModel",
    "metaclip_2": "MetaClip2Model",
    "siglip": "SiglipModel",
    "siglip2": "Siglip2Model",
}
PADDED_TO_FULL_LENGTH = {"siglip", "siglip2"}


def load(
    model: str,
    *,
    revision: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    trust_remote_code: bool = False,
) -> ModalityModel:
    """The dual encoder ``model``: an id of the hub or a folder."""
    located = locate(model, revision, scheme="clip")
    config = read_config(located.folder)
    kind = config.get("model_type")
    if "auto_map" in config and kind not in CLASSES:
        from m2m_clip.jina import load_remote

        return load_remote(located, config, device, precision, trust_remote_code)
    if kind not in CLASSES:
        raise UserError(
            f"{model} is a '{kind}' model, not a dual image encoder that m2m-clip knows",
            f"give one of {', '.join(sorted(CLASSES))}",
        )
    return DualImages(located, str(kind), device=device, precision=precision)


class DualImages(ItemTarget):
    """Text and images in one space. Each tower is loaded when it is first needed."""

    modality = "image"

    def __init__(self, located: Located, kind: str, *, device: str, precision: str) -> None:
        import transformers

        self.located = located
        self.device = choose_device(device)
        self.precision = choose_precision(precision, self.device)
        self.dtype = choose_dtype(self.precision)
        self._kind = kind
        self._class = getattr(transformers, CLASSES[kind])

    @cached_property
    def text(self) -> DualText:
        return DualText(
            self.located,
            self._class,
            scheme="clip",
            device=self.device,
            dtype=self.dtype,
            precision=self.precision,
            pad_to_longest=self._kind not in PADDED_TO_FULL_LENGTH,
        )

    @cached_property
    def _images(self) -> tuple[Any, Any]:
        """(image half of the model, its image processor)."""
        from transformers import AutoImageProcessor

        try:
            processor = AutoImageProcessor.from_pretrained(
                self.located.folder, local_files_only=True
            )
        except Exception as error:
            raise load_error(self.located.folder, error) from error
        return load_half(self._class, self.located.folder, ITEMS, self.dtype).to(
            self.device
        ), processor

    def load_items(self) -> None:
        self._images  # noqa: B018

    def prepare(self, item: Any, *, allow_urls: bool = False, **_: Any) -> Any:
        """Any form ``rgb_image`` takes -> what the image processor makes of it."""
        image = rgb_image(item, allow_urls=allow_urls)
        return self._images[1](images=[image], return_tensors="pt")

    def _batch(self, batch: list[Any]) -> dict[str, Any]:
        import torch

        inputs = {key: torch.cat([one[key] for one in batch]) for key in batch[0]}
        return {
            key: value.to(self.device, self.dtype if value.is_floating_point() else None)
            for key, value in inputs.items()
        }

    def forward(self, batch: list[Any]) -> Any:
        import torch

        with torch.inference_mode():
            output = self._images[0].get_image_features(**self._batch(batch))
        return getattr(output, "pooler_output", output)

    def layer_states(self, batch: list[Any]) -> list[Any]:
        inputs = self._batch(batch)
        output = self._images[0].vision_model(**inputs, output_hidden_states=True)
        states = output.hidden_states
        return [[layer[i : i + 1] for layer in states] for i in range(len(batch))]
