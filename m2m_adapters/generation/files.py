"""Pictures or sounds from prompts into a folder: resumable, written atomically, with metadata.

A picture's name is a digest of everything that decides its pixels, so that asking again makes
nothing twice, whatever the order, and asking for something else never overwrites.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import unicodedata
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m2m_adapters._internal.files import remove_unfinished, whole_file
from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL.Image import Image

    from m2m_adapters.artifact.adapter import Adapter

KEY = "m2m"
"""The PNG text chunk that holds the record, as one line of JSON."""


RESERVED = frozenset(
    ("texts", "vectors", "steps", "guidance", "size", "seed", "num_images", "negative",
     "batch_size")
)  # fmt: skip
"""Arguments of ``Adapter.generate`` and of a target's ``generate`` that are set here."""


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
            "source": adapter.record.source.fingerprint,
            "target": adapter.record.target.fingerprint,
        }
        for image in range(wanted.num_images)
    ]


def file_name(record: dict[str, Any], suffix: str = ".png") -> str:
    """Readable start of the prompt, then a digest of the whole record."""
    digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]
    words = unicodedata.normalize("NFC", record["prompt"])
    slug = re.sub(r"[^\w]+", "-", words).strip("-_")[:24].strip("-_")
    return f"{slug}-{digest}{suffix}" if slug else f"{digest}{suffix}"


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

    Beside each ``NAME.png`` (or ``NAME.wav``) lies ``NAME.json``, its record on one line. A run
    that was killed goes on with the first that is not there.
    """
    wanted, folder = wanted or Wanted(), Path(folder)
    if adapter.modality not in WRITERS:
        raise UserError(
            f"this adapter leads to {adapter.modality}, not to {' or '.join(WRITERS)}",
            "use adapter.generate",
        )
    suffix, save = WRITERS[adapter.modality]
    check_prompts(prompts)
    began = time.time()
    told = {prompt: records(adapter, prompt, wanted) for prompt in prompts}

    def place(record: dict[str, Any]) -> Path:
        return folder / file_name(record, suffix)

    missing = [
        prompt
        for prompt, some in told.items()
        if not all(place(record).is_file() for record in some)
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
                f"the target made {len(images)} items where {len(expected)} were asked for",
                "correct its plugin",
            )
        for record, image in zip(expected, images, strict=True):
            save(image, record, place(record))
        done += len(some)
        progress(done)
    remove_unfinished(folder, began)
    return [
        Made(prompt, record["seed"], place(record), prompt in absent)
        for prompt in prompts
        for record in told[prompt]
    ]


def check_prompts(prompts: Sequence[str]) -> None:
    for position, prompt in enumerate(prompts):
        if not isinstance(prompt, str) or not prompt.strip():
            raise UserError(f"prompt {position + 1} is empty", "remove it, or write something")


def save_picture(image: Image, record: dict[str, Any], path: Path) -> None:
    """The record first, so that a picture is never without it; each file whole or not at all."""
    from PIL import PngImagePlugin

    line = _save_record(record, path)
    told = PngImagePlugin.PngInfo()
    told.add_itxt("prompt", record["prompt"])
    told.add_itxt(KEY, line)
    with whole_file(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=told)


def save_sound(sound: tuple[npt.ArrayLike, int], record: dict[str, Any], path: Path) -> None:
    """(float samples ``[n]``, rate) as 16-bit WAV, which every player knows."""
    samples, rate = sound
    _save_record({**record, "rate": int(rate)}, path)
    scaled = np.rint(np.clip(np.asarray(samples, dtype=np.float64), -1, 1) * 32767)
    with whole_file(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(int(rate))
        file.writeframes(scaled.astype("<i2").tobytes())


WRITERS: dict[str, tuple[str, Callable[[Any, dict[str, Any], Path], None]]] = {
    "image": (".png", save_picture),
    "audio": (".wav", save_sound),
}


def _save_record(record: dict[str, Any], path: Path) -> str:
    line = json.dumps(record, ensure_ascii=False)
    with whole_file(path.with_suffix(".json")) as temporary:
        temporary.write_text(line + "\n", encoding="utf-8")
    return line


def read_record(path: str | Path) -> dict[str, Any]:
    """The metadata inside a picture, or beside a sound."""
    from PIL import Image

    path = Path(path)
    if path.suffix == ".wav":
        beside = path.with_suffix(".json")
        line = beside.read_text(encoding="utf-8") if beside.is_file() else None
    else:
        with Image.open(path) as image:
            line = getattr(image, "text", {}).get(KEY)
    if line is None:
        raise UserError(f"{path} was not generated by m2m", "give one of its files")
    return dict(json.loads(line))
