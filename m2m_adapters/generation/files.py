"""Pictures, sounds or videos from prompts into a folder: resumable, each file whole or absent.

A picture's name is a digest of everything that decides its pixels, so that asking again makes
nothing twice, whatever the order, and asking for something else never overwrites.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError
from m2m_adapters.generation.writers import writer_for

if TYPE_CHECKING:
    from m2m_adapters.artifact.adapter import Adapter

RESERVED = frozenset(
    ("texts", "vectors", "steps", "guidance", "size", "seed", "num_images", "negative",
     "batch_size")
)  # fmt: skip
"""Arguments of ``Adapter.generate`` and of a target's ``generate`` that are set here."""


LARGEST_SEED = 2**63 - 1
"""A generator of torch takes it, with the pictures of a prompt counted on from it."""


@dataclass(frozen=True)
class Wanted:
    """Settings of a run; None means the pipeline's default.

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

    def __post_init__(self) -> None:
        if taken := sorted(RESERVED & set(self.options)):
            known = [f.name for f in fields(self)]
            raise UserError(
                f"'{taken[0]}' cannot be passed to the pipeline as an option of its own",
                f"use --{taken[0].replace('_', '-')}" if taken[0] in known else "leave it out",
            )
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UserError(f"{self.seed} is not a seed", f"give 0 to {LARGEST_SEED}")
        try:
            json.dumps(self.decisive(), allow_nan=False)  # as the record beside each file holds it
        except ValueError:
            raise UserError(
                "guidance and options must be finite numbers", "give no NaN or infinity"
            ) from None

    def decisive(self) -> dict[str, object]:
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


def records(adapter: Adapter, prompt: str, wanted: Wanted) -> list[dict[str, object]]:
    """One record for each picture of a prompt: what is written into it and beside it."""
    return [
        {
            "prompt": prompt,
            "seed": wanted.seed + image,
            **wanted.decisive(),
            "adapter": adapter.digest,
            "source": adapter.record.source.fingerprint,
            "target": adapter.record.target.fingerprint,
            "precision": getattr(adapter.target, "precision", None),
            "quantize": getattr(adapter.target, "quantize", None),
        }
        for image in range(wanted.num_images)
    ]


def file_name(record: dict[str, object], suffix: str = ".png") -> str:
    """Readable start of the prompt, then a digest of the whole record."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    words = unicodedata.normalize("NFC", str(record["prompt"]))
    slug = re.sub(r"[^\w]+", "-", words).strip("-_")[:24].strip("-_")
    return f"{slug}-{digest}{suffix}" if slug else f"{digest}{suffix}"


def generate_files(
    adapter: Adapter,
    prompts: Sequence[str],
    folder: str | Path,
    wanted: Wanted | None = None,
    *,
    batch_size: int = 1,
    suffix: str | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Made]:
    """Make what ``folder`` lacks; returns every picture of the prompts, in their order.

    suffix: ``.png`` of pictures, ``.wav`` of sounds, ``.mp4`` or ``.webm`` of videos; None is the
    first that the target's modality has. Beside each ``NAME.png`` lies ``NAME.json``, its record
    on one line. A run that was killed goes on with the first that is not there.
    """
    wanted, folder = wanted or Wanted(), Path(folder)
    suffix, save = writer_for(adapter.modality, suffix)
    check_prompts(prompts)
    expected = {prompt: records(adapter, prompt, wanted) for prompt in prompts}

    def place(record: dict[str, object]) -> Path:
        return folder / file_name(record, suffix)

    missing = [
        prompt
        for prompt, own in expected.items()
        if not all(place(record).is_file() for record in own)
    ]
    absent = set(missing)
    done = len(expected) - len(missing)
    progress(done)
    for start in range(0, len(missing), max(1, batch_size)):
        batch = missing[start : start + max(1, batch_size)]
        items = adapter.generate(
            batch,
            steps=wanted.steps,
            guidance=wanted.guidance,
            size=wanted.size,
            seed=wanted.seed,
            num_images=wanted.num_images,
            negative=wanted.negative,
            batch_size=batch_size,
            **wanted.options,
        )
        rows = [record for prompt in batch for record in expected[prompt]]
        if len(items) != len(rows):
            raise UserError(
                f"the target generated {len(items)} items instead of {len(rows)}",
                "correct its plugin",
            )
        for record, item in zip(rows, items, strict=True):
            save(item, record, place(record))
        done += len(batch)
        progress(done)
    return [
        Made(prompt, wanted.seed + image, place(record), prompt in absent)
        for prompt in prompts
        for image, record in enumerate(expected[prompt])
    ]


def check_prompts(prompts: Sequence[str]) -> None:
    for position, prompt in enumerate(prompts):
        if not isinstance(prompt, str) or not prompt.strip():
            raise UserError(f"prompt {position + 1} is empty", "remove it, or write something")
