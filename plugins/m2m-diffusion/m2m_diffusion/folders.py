"""Where a pipeline lies, and which of its parts: aligning needs its text encoders alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import digest_folder, offline

INDEX = "model_index.json"
NEUTRAL_FILE = "neutral.safetensors"


@dataclass(frozen=True)
class Place:
    """A pipeline folder, or an id of the hub of which parts are fetched when they are needed.

    commit: on the hub; None for a folder of the user's.
    """

    name: str
    folder: Path
    commit: str | None
    index: dict[str, Any]

    @property
    def pipeline_class(self) -> str:
        return str(self.index.get("_class_name", ""))

    def holds(self, part: str) -> bool:
        """Whether the pipeline was saved with this part."""
        entry = self.index.get(part)
        return isinstance(entry, list) and len(entry) == 2 and None not in entry

    def part(self, name: str) -> Path:
        """The folder of one part, fetched if need be."""
        if self.commit is not None:
            _snapshot(self.name, self.commit, [f"{name}/*"])
        folder = self.folder / name
        if not folder.is_dir() or not any(folder.iterdir()):
            raise UserError(
                f"{self.name} has no folder '{name}' although its {INDEX} lists it",
                "the pipeline is incomplete; fetch or save it again",
            )
        return folder

    def setting(self, part: str, *names: str, file: str = "config.json") -> int:
        """The first of these numbers in a part's configuration; its weights are not fetched."""
        if self.commit is not None:
            _snapshot(self.name, self.commit, [f"{part}/{file}"])
        path = self.folder / part / file
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            # A model of several modalities has its text model's configuration inside.
            holders = (config, config.get("text_config") or {})
            return next(int(h[name]) for h in holders for name in names if name in h)
        except (OSError, ValueError, AttributeError, TypeError, StopIteration) as error:
            raise UserError(
                f"{path} does not say its {' or '.join(names)}", "fetch or save the pipeline again"
            ) from error

    def whole(self, without: set[str]) -> Path:
        """The folder with every part but ``without``, checked to be there."""
        parts = [key for key in self.index if self.holds(key) and key not in without]
        for name in parts:
            self.part(name)
        return self.folder

    def fingerprint(self, parts: list[str]) -> str:
        """Changes whenever those parts could: the commit, or a digest of their files."""
        if self.commit is not None:
            return f"hub:{self.name}@{self.commit}"
        digest = hashlib.sha256(self.pipeline_class.encode())
        for name in parts:
            digest.update(f"{name}\0{digest_folder(self.part(name))}\n".encode())
        return f"files:{digest.hexdigest()}"


def find(model: str, revision: str | None = None) -> Place:
    """``model`` as a folder with a ``model_index.json``, or as an id of the hub."""
    folder, commit = Path(model).expanduser(), None
    if folder.exists():
        if not (folder / INDEX).is_file():
            raise UserError(
                f"{model} is not a diffusers pipeline: it has no {INDEX}",
                "give the folder that `pipeline.save_pretrained` wrote",
            )
    elif model.count("/") != 1 or model.startswith((".", "~", "/")):
        raise UserError(
            f"no pipeline folder {model}",
            "give an existing folder or a model id of the hub (diffusion:ORG/MODEL)",
        )
    else:
        folder = _snapshot(model, revision, [INDEX, NEUTRAL_FILE])
        commit = folder.name
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder / INDEX} cannot be read ({error})", "fetch or save the pipeline again"
        ) from error
    if not isinstance(index, dict):
        raise UserError(f"{folder / INDEX} is not an object", "fetch or save the pipeline again")
    return Place(model, folder, commit, index)


def _snapshot(model: str, revision: str | None, patterns: list[str]) -> Path:
    """The hub's folder with at least the files of ``patterns``."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(
            snapshot_download(
                model, revision=revision, allow_patterns=patterns, local_files_only=offline()
            )
        )
    except Exception as error:
        raise UserError(
            f"{model} cannot be fetched ({type(error).__name__})",
            f"check the spelling, your access and the network; or `hf download {model}` where "
            "there is one, or use a local copy with diffusion:FOLDER",
        ) from error
    if INDEX in patterns and not (folder / INDEX).is_file():
        raise UserError(
            f"{model} is not in the cache, or is no diffusers pipeline: it has no {INDEX}",
            f"fetch it with `hf download {model}`, or use a local copy with diffusion:FOLDER",
        )
    return folder


def in_precision(dtype: Any) -> dict[str, Any]:
    """A pipeline's precision; diffusers 0.41, the last for Python 3.10, has another keyword."""
    major, minor = version("diffusers").split(".")[:2]
    return {"dtype" if (int(major), int(minor)) >= (0, 42) else "torch_dtype": dtype}
