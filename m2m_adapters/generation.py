"""Pictures from prompts into a folder: resumable, each file whole, each telling what it is.

A picture's name is a digest of everything that decides its pixels, so that asking again makes
nothing twice, whatever the order, and asking for something else never overwrites.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import AbilityMissing, UserError
from m2m_adapters.files import whole_file

if TYPE_CHECKING:
    from m2m_adapters.adapter import Adapter

KEY = "m2m"
"""The PNG text chunk that holds the record, as one line of JSON."""


@dataclass(frozen=True)
class Wanted:
    """Settings of a run; None leaves a thing to the pipeline.

    negative: text in any language of the source, kept out of the pictures.
    options: further keywords of the pipeline's own call.
    """

    steps: int | None = None
    guidance: float | None = None
    size: tuple[int, int] | None = None
    seed: int = 0
    num_images: int = 1
    negative: str | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def decisive(self) -> dict[str, Any]:
        """What decides the pixels besides prompt and seed."""
        return {
            "steps": self.steps,
            "guidance": self.guidance,
            "size": list(self.size) if self.size else None,
            "negative": self.negative,
            "options": self.options,
        }


@dataclass(frozen=True)
class Made:
    """A picture on disk; ``new`` if this run made it."""

    prompt: str
    seed: int
    path: Path
    new: bool


def records(adapter: Adapter, prompt: str, wanted: Wanted) -> list[dict[str, Any]]:
    """One record for each picture of a prompt: what is written into it and beside it."""
    return [
        {
            "prompt": prompt,
            "seed": wanted.seed + image,
            **wanted.decisive(),
            "adapter": adapter.digest,
            "source": adapter.record["source"]["fingerprint"],
            "target": adapter.record["target"]["fingerprint"],
        }
        for image in range(wanted.num_images)
    ]


def file_name(record: dict[str, Any]) -> str:
    """Readable start of the prompt, then a digest of the whole record."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    words = unicodedata.normalize("NFC", record["prompt"])
    slug = re.sub(r"[^\w]+", "-", words).strip("-_")[:24].strip("-_")
    return f"{slug}-{digest}.png" if slug else f"{digest}.png"


def generate_files(
    adapter: Adapter,
    prompts: Sequence[str],
    folder: str | Path,
    wanted: Wanted | None = None,
    *,
    batch_size: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Made]:
    """Make what ``folder`` lacks; returns every picture of the prompts, in their order.

    Beside each ``NAME.png`` lies ``NAME.json``, the same record on one line. A run that was
    killed goes on with the first picture that is not there.
    """
    wanted, folder = wanted or Wanted(), Path(folder)
    if adapter.modality != "image":
        raise UserError(
            f"this adapter leads to {adapter.modality}, not to images", "use adapter.generate"
        )
    check_prompts(prompts)
    told = {prompt: records(adapter, prompt, wanted) for prompt in prompts}
    missing = [
        prompt
        for prompt, some in told.items()
        if not all((folder / file_name(record)).is_file() for record in some)
    ]
    absent = set(missing)
    done = len(told) - len(missing)
    progress(done)
    for start in range(0, len(missing), max(1, batch_size)):
        some = missing[start : start + max(1, batch_size)]
        images = adapter.generate(
            some,
            steps=wanted.steps,
            guidance=wanted.guidance,
            size=wanted.size,
            seed=wanted.seed,
            num_images=wanted.num_images,
            negative=wanted.negative,
            batch_size=batch_size,
            **wanted.options,
        )
        expected = [record for prompt in some for record in told[prompt]]
        if len(images) != len(expected):
            raise UserError(
                f"the target made {len(images)} pictures where {len(expected)} were asked for",
                "mend its plugin",
            )
        for record, image in zip(expected, images, strict=True):
            save_picture(image, record, folder / file_name(record))
        done += len(some)
        progress(done)
    return [
        Made(prompt, record["seed"], folder / file_name(record), prompt in absent)
        for prompt in prompts
        for record in told[prompt]
    ]


def check_prompts(prompts: Sequence[str]) -> None:
    for position, prompt in enumerate(prompts):
        if not isinstance(prompt, str) or not prompt.strip():
            raise UserError(f"prompt {position + 1} is empty", "remove it, or say something")


def save_picture(image: Any, record: dict[str, Any], path: Path) -> None:
    """The record first, so that a picture is never without it; each file whole or not at all."""
    from PIL import PngImagePlugin

    line = json.dumps(record, ensure_ascii=False)
    with whole_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(line + "\n", encoding="utf-8")
    told = PngImagePlugin.PngInfo()
    told.add_itxt("prompt", record["prompt"])
    told.add_itxt(KEY, line)
    with whole_file(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=told)


def read_record(path: str | Path) -> dict[str, Any]:
    """What a picture made here says of itself."""
    from PIL import Image

    with Image.open(path) as image:
        line = getattr(image, "text", {}).get(KEY)
    if line is None:
        raise UserError(f"{path} was not made by m2m generate", "give one of its pictures")
    return dict(json.loads(line))


def generate(adapter: Adapter, prompts: str | Sequence[str], **options: Any) -> list[Any]:
    """Pictures (or other items) from prompts in any language; see :meth:`Adapter.generate`."""
    return adapter.target.generate(adapter.encode(prompts), **_negative_encoded(adapter, options))


def conditioning(adapter: Adapter, prompts: str | Sequence[str], **options: Any) -> dict[str, Any]:
    """Keyword arguments for a pipeline one drives oneself; see :meth:`Adapter.conditioning`."""
    ask = getattr(adapter.target, "conditioning", None)
    if ask is None:
        raise AbilityMissing(
            f"{type(adapter.target).__name__} is no model that is conditioned",
            "choose a target that generates (m2m list --targets)",
        )
    return dict(ask(adapter.encode(prompts), **_negative_encoded(adapter, options)))


def _negative_encoded(adapter: Adapter, options: dict[str, Any]) -> dict[str, Any]:
    # The target knows English; the adapter knows the language of the negative, too.
    if isinstance(options.get("negative"), str):
        return {**options, "negative": adapter.encode([options["negative"]])}
    return options
