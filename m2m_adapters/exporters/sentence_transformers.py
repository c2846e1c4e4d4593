"""``sentence-transformers``: a plain folder of stock modules, loaded with no code of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.folders import whole_folder
from m2m_adapters.errors import UserError
from m2m_adapters.exporters.source import (
    in_fp32,
    library,
    source_model,
    source_prompt,
    source_width,
    unit_source,
    whole_width,
)
from m2m_adapters.exporters.verify import PROBES, Exported, compare

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from torch import nn

    from m2m_adapters.artifact.adapter import Adapter

TOLERANCE = 1e-5
FULL = "load the adapter with precision='fp32', which is what the folder computes in"


def export(adapter: Adapter, out: Path) -> Exported:
    """Source, [Normalize], Dense for each affine step, and the head."""
    module = library()
    adapter = in_fp32(adapter)
    source = source_model(adapter)
    model = module.SentenceTransformer(
        modules=[*source, *_projector_modules(adapter, source)],
        device="cpu",
        similarity_fn_name="cosine",
        **_prompts(adapter, source),
    )
    ours = adapter.encode(list(PROBES))
    with whole_folder(out) as temporary:
        model.save(str(temporary), create_model_card=False)
        _readme(adapter, temporary, "texts")
        reloaded = module.SentenceTransformer(str(temporary), device="cpu", local_files_only=True)
        exported = reloaded.encode(list(PROBES), convert_to_numpy=True, show_progress_bar=False)
        return compare("sentence-transformers", out, ours, exported, TOLERANCE, remedy=FULL)


def export_router(adapter: Adapter, out: Path, items: list[Any] | None = None) -> Exported:
    """Texts through source and projector, items through the target's tower, in one object.

    items: examples to compare the item tower on; without them two are made for images and
    sounds.
    """
    module = library()
    adapter = in_fp32(adapter)
    source = source_model(adapter)
    modality = adapter.modality
    tower = _item_tower(adapter)
    if adapter.projector.shape.head != "l2":
        raise UserError(
            "this adapter's target does not compare texts and items by cosine, "
            "as sentence-transformers does",
            "export it to sentence-transformers without the items",
        )
    modules = _modules()
    router = modules["Router"](
        sub_modules={"text": [*source, *_projector_modules(adapter, source)], modality: [tower]},
        route_mappings={(None, "text"): "text", (None, modality): modality},
        default_route="text",
    )
    model = module.SentenceTransformer(
        modules=[router, modules["Normalize"]()],
        device="cpu",
        similarity_fn_name="cosine",
        **_prompts(adapter, source),
    )
    texts, examples = list(PROBES), items or _examples(modality, tower)
    ours = np.concatenate([adapter.encode(texts), adapter.encode_items(examples)])
    with whole_folder(out) as temporary:
        model.save(str(temporary), create_model_card=False)
        _readme(adapter, temporary, f"texts and {modality} items")
        reloaded = module.SentenceTransformer(str(temporary), device="cpu", local_files_only=True)
        quiet = {"convert_to_numpy": True, "show_progress_bar": False}
        exported = np.concatenate(
            [
                reloaded.encode(texts, modality="text", **quiet),
                reloaded.encode(
                    [_wrapped(e, modality) for e in examples], modality=modality, **quiet
                ),
            ]
        )
        notes = [
            'pass modality="text" for texts of strangers: sentence-transformers takes a string '
            "that looks like a path or an address of an image for the image itself"
        ]
        return compare(
            "sentence-transformers-router", out, ours, exported, TOLERANCE, remedy=FULL, notes=notes
        )


def _modules() -> dict[str, Any]:
    from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    return {m.__name__: m for m in (Dense, Normalize, Router, Transformer, LayerNorm)}


def _prompts(adapter: Adapter, source: SentenceTransformer) -> dict[str, str | dict[str, str]]:
    """The prompt that the source puts before every text, so that the folder does the same."""
    if prompt := source_prompt(adapter, source):
        return {"prompts": {"m2m": prompt}, "default_prompt_name": "m2m"}
    return {}


def _projector_modules(adapter: Adapter, source: SentenceTransformer) -> list[nn.Module]:
    from torch import eye, nn

    modules = _modules()
    activations = {"none": nn.Identity, "relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}
    chain: list[Any] = []
    if width := source_width(source):  # encode() would cut the result, not the source's vectors
        whole = whole_width(source)
        cut = eye(width, whole)
        chain.append(
            modules["Dense"](
                whole, width, bias=False, activation_function=nn.Identity(), init_weight=cut
            )
        )
    if unit_source(adapter):
        chain.append(modules["Normalize"]())
    for step in adapter.projector.affine_steps():
        chain.append(
            modules["Dense"](
                step.weight.shape[1],
                step.weight.shape[0],
                activation_function=activations[step.activation](),
                init_weight=step.weight,
                init_bias=step.bias,
            )
        )
    head = adapter.projector.shape.head
    if head == "l2":
        chain.append(modules["Normalize"]())
    elif head == "layernorm":
        norm = modules["LayerNorm"](adapter.dim)
        assert adapter.projector.head_norm is not None
        norm.norm.load_state_dict(adapter.projector.head_norm.state_dict())
        chain.append(norm)
    return chain


def _item_tower(adapter: Adapter) -> Any:
    """The target as a Transformer module of sentence-transformers."""
    import torch

    located = getattr(adapter.target, "located", None)
    if located is None or adapter.modality not in ("image", "audio"):
        raise UserError(
            f"the target ({type(adapter.target).__name__}) is not a transformers model of images "
            "or sounds, which is what sentence-transformers can hold",
            "export to sentence-transformers without the items",
        )
    try:
        tower = _modules()["Transformer"](
            str(located.folder),
            model_kwargs={"dtype": torch.float32, "local_files_only": True},
            processor_kwargs={"local_files_only": True},
            config_kwargs={"local_files_only": True},
        )
    except Exception as error:
        raise UserError(
            f"sentence-transformers cannot hold this target ({str(error).splitlines()[0][:160]})",
            "export to sentence-transformers without the items",
        ) from error
    if adapter.modality not in tower.modalities:
        raise UserError(
            f"sentence-transformers finds no {adapter.modality} tower in this target",
            "export to sentence-transformers without the items",
        )
    return tower.eval()


def _examples(modality: str, tower: Any) -> list[Any]:
    """Two made-up items that every model of the modality takes."""
    random = np.random.default_rng(0)
    if modality == "image":
        from PIL import Image

        return [
            Image.fromarray(random.integers(0, 255, (64, 80, 3), dtype=np.uint8)) for _ in range(2)
        ]
    reader = getattr(tower.processor, "feature_extractor", tower.processor)
    rate = int(getattr(reader, "sampling_rate", 48_000))
    # Short, so that no model crops it at random.
    return [
        {"array": random.standard_normal(rate).astype(np.float32) / 9, "sampling_rate": rate}
        for _ in range(2)
    ]


def _wrapped(item: Any, modality: str) -> Any:
    return {"audio": item} if modality == "audio" and isinstance(item, dict) else item


def _readme(adapter: Adapter, folder: Path, what: str) -> None:
    text = (
        f"# {adapter.name}\n\nEncodes {what} into the {adapter.modality} space of the target. "
        "Made with m2m-adapters; nothing of it is needed to use this folder.\n\n"
        "```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        'model = SentenceTransformer("path/to/this/folder")\n'
        'vectors = model.encode(["ein Hund bellt"])\n```\n'
    )
    (folder / "README.md").write_text(text, encoding="utf-8")
