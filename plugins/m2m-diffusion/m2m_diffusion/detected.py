"""Pipelines that nobody listed: what their ``encode_prompt`` returns and their call takes.

The names that ``encode_prompt`` returns are compared with the arguments of the pipeline's call.
One of them is a sequence of token states, one may be its mask; others of a fixed size are laid
before them as one pooled vector. The sizes are measured once on two prompts, and kept in the
cache, so that painting does not load the text models to know them.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from dataclasses import dataclass
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import cache_folder, whole_file
from m2m_diffusion.folders import Place
from m2m_diffusion.prompts import TOKENS, Layout, Prompts, PromptText

PROBES = ("a dog", "two red squares above a small blue circle, and " * 12)
BACKBONES = ("transformer", "unet", "prior")


@dataclass(frozen=True)
class Interface:
    """What of a class can be known without its weights.

    returned: names that ``encode_prompt`` returns, in their order. taken: those of them that the
    call takes too.
    """

    returned: tuple[str, ...]
    taken: tuple[str, ...]
    call: dict[str, Any]

    @property
    def modality(self) -> str:
        if "num_frames" in self.call:
            return "video"
        return "audio" if any("audio" in name or "waveforms" in name for name in self.call) else (
            "image"
        )  # fmt: skip


def interface_of(made_of: Any) -> Interface | None:
    """None where the class has no ``encode_prompt`` whose result its call takes."""
    encode = getattr(made_of, "encode_prompt", None)
    if encode is None:
        return None
    call = {
        name: one.default for name, one in inspect.signature(made_of.__call__).parameters.items()
    }
    returned = _returned(encode)
    taken = tuple(n for n in returned if n in call and not n.startswith("negative_"))
    return Interface(returned, taken, call) if taken else None


def _returned(function: Any) -> tuple[str, ...]:
    """The names in a function's last return statement."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    last = [node for node in ast.walk(tree) if isinstance(node, ast.Return)][-1].value
    values = last.elts if isinstance(last, ast.Tuple) else [last]
    return tuple(value.id if isinstance(value, ast.Name) else "" for value in values)


def detected_prompts(place: Place, interface: Interface) -> Prompts:
    """How a class reads prompts and takes what it has read, as far as that can be seen."""
    parts = tuple(key for key in place.index if place.holds(key) and _reads_text(key))
    encoders = tuple(part for part in parts if part.startswith("text_encoder"))
    if not encoders:
        raise UserError(
            f"{place.name} was saved without its text encoders",
            "save it with them: they are the space that sources are aligned to",
        )

    def read(pipe: Any, texts: list[str], tokens: int, against: bool) -> Any:
        rows = read_named(pipe, texts, tokens, interface)
        layout = layout_of(place, pipe, interface, tokens)
        pooled = [rows[name].flatten(1) for name, _ in layout.beside]
        mask = rows.get(layout.mask[0]) if layout.mask else None
        import torch

        return torch.cat(pooled, 1) if pooled else None, rows[layout.sequence[0]], mask

    def arguments(text: PromptText, pooled: Any, sequence: Any, mask: Any) -> dict[str, Any]:
        layout, call, start = text.layout, {}, 0
        assert layout is not None
        for name, shape in layout.beside:
            width = _product(shape)
            call[name] = pooled[:, start : start + width].reshape(len(pooled), *shape)
            start += width
        call[layout.sequence[0]] = sequence
        if layout.mask:
            call[layout.mask[0]] = mask.to(_dtype(layout.mask[1], sequence))
        return call

    def probe(text: PromptText) -> Layout:
        return layout_of(place, lambda: text.pipeline, interface, TOKENS)

    return Prompts(
        encoders, encoders[0], read, arguments, uses=tuple(p for p in parts if p not in encoders),
        probe=probe,
    )  # fmt: skip


def _reads_text(part: str) -> bool:
    return part.startswith(("text_encoder", "projection_model", "language_model"))


def read_named(pipe: Any, texts: list[str], tokens: int, interface: Interface) -> dict[str, Any]:
    """What ``encode_prompt`` makes of texts, by the names that the call has for it."""
    known = inspect.signature(pipe.encode_prompt).parameters
    call = {
        "prompt": texts,
        "do_classifier_free_guidance": False,
        "max_sequence_length": tokens,
        "num_images_per_prompt": 1,
        "num_videos_per_prompt": 1,
        "num_waveforms_per_prompt": 1,
        "device": next(
            part.device
            for part in pipe.components.values()
            if hasattr(part, "config") and hasattr(part, "device")
        ),
    }
    result = pipe.encode_prompt(**{name: value for name, value in call.items() if name in known})
    values = result if isinstance(result, tuple) else (result,)
    return {
        name: value
        for name, value in zip(interface.returned, values, strict=True)
        if name in interface.taken and value is not None
    }


def layout_of(place: Place, pipe: Any, interface: Interface, tokens: int) -> Layout:
    """The sizes of what is read; measured once for a pipeline's text models.

    pipe: the pipeline with its text models, or what returns it.
    """
    parts = [key for key in place.index if place.holds(key) and _reads_text(key)]
    key = f"{place.pipeline_class}:{place.fingerprint(parts)}:{tokens}"
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    filed = cache_folder() / "layouts" / name
    if filed.is_file():
        return Layout.of(json.loads(filed.read_text(encoding="utf-8")))
    import torch

    pipe = pipe() if callable(pipe) and not hasattr(pipe, "components") else pipe
    with torch.inference_mode():
        short, long = (read_named(pipe, [text], tokens, interface) for text in PROBES)
    layout = _measured(place, short, long)
    with whole_file(filed) as temporary:
        temporary.write_text(json.dumps(layout.to_json()), encoding="utf-8")
    return layout


def _measured(place: Place, short: dict[str, Any], long: dict[str, Any]) -> Layout:
    main = _main_sequence(place, long)
    tokens, width = long[main].shape[1:]
    masks = [n for n in long if "mask" in n and long[n].shape == long[main].shape[:2]]
    beside = [name for name in long if name != main and name not in masks]
    varies = {name for name in short if short[name].shape != long[name].shape}
    if len(masks) > 1 or varies.intersection(beside):
        raise _unclear(place, "it takes several sequences whose lengths vary")
    if not masks and main in varies:
        raise _unclear(place, "its sequence has no fixed length, and no mask")
    return Layout(
        (main, int(tokens), int(width)),
        tuple((name, tuple(map(int, long[name].shape[1:]))) for name in beside),
        (masks[0], str(long[masks[0]].dtype)) if masks else None,
    )


def _main_sequence(place: Place, rows: dict[str, Any]) -> str:
    """The name of the longest sequence of token states."""
    sequences = {n: v for n, v in rows.items() if v.ndim == 3 and v.is_floating_point()}
    if not sequences:
        raise _unclear(place, "its encode_prompt returns no token states")
    return max(sequences, key=lambda name: (sequences[name].shape[1], name == "prompt_embeds"))


def _unclear(place: Place, what: str) -> UserError:
    return UserError(
        f"it cannot be detected how a {place.pipeline_class} takes its prompt: {what}",
        "describe it with m2m_diffusion.kinds.register_kind",
    )


def _product(shape: tuple[int, ...]) -> int:
    size = 1
    for side in shape:
        size *= side
    return size


def _dtype(name: str, like: Any) -> Any:
    """The mask's own type; one of floats follows the sequence's precision."""
    import torch

    own = getattr(torch, name.removeprefix("torch."))
    return like.dtype if own.is_floating_point else own
