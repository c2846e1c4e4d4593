"""Find a model's files in a folder, the hub's cache or the hub, and identify them exactly.

Loading always goes through a folder on disk, so that no library asks the network behind our
back. A hub model is resolved to a commit before a byte of it is fetched.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError

HUB_SECONDS = 2.5
"""How long we wait for the hub's first answer before calling ourselves offline."""

MOST_FILES = 2_000
"""In the folder of a model; what holds more is somebody's home or disk, and is not read."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?\Z")
_COMMIT = re.compile(r"[0-9a-f]{40}\Z")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth")
# Other frameworks' copies of the same weights; fetched only by the backend that reads them.
_FOREIGN = re.compile(r"(^|/)(onnx|openvino|coreml|tflite|flax|tf)/|\.(h5|msgpack|ot|onnx|tflite)$")
# Files that no loader reads: documents and pictures do not change vectors.
_PROSE = {".md", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".pdf", ".log", ".lock"}


@dataclass(frozen=True)
class Located:
    """Where a model lies.

    name: as the user wrote it, ``ORG/MODEL`` or a folder.
    revision: the commit on the hub, None for a folder.
    fingerprint: ``hub:ORG/MODEL@commit``, or ``files:`` and a digest of the folder.
    """

    name: str
    folder: Path
    revision: str | None
    fingerprint: str

    @property
    def provenance(self) -> dict[str, Any]:
        """What others need to find these weights again."""
        if self.revision is not None:
            return {"model": self.name, "revision": self.revision}
        return {"model": self.name, "digest": self.fingerprint.partition(":")[2]}


def locate(model: str, revision: str | None = None, *, scheme: str, extra: str = "") -> Located:
    """The files of ``model``: an existing folder, or a model id of the hub.

    scheme: of the asking plugin (``"st"``), for the remedies.
    extra: a folder of the repository to fetch besides the usual files (``"onnx"``).
    """
    try:
        folder = Path(model).expanduser()
        if folder.is_dir():
            if not any(folder.iterdir()):
                raise UserError(f"the folder {model} is empty", "give a folder with a saved model")
            return Located(str(model), folder, None, f"files:{digest_folder(folder)}")
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: ~ of an unknown user
        why = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read the model folder {model}: {why}", "check the path") from error
    if folder.exists():
        raise UserError(f"{model} is a file, not a model folder", "give the folder it lies in")
    if not _HUB_ID.match(model) or model.startswith((".", "~", "/")) or ".." in model:
        raise UserError(
            f"no model folder {model}",
            f"give an existing folder or a model id of the hub ({scheme}:ORG/MODEL)",
        )
    cached = _cached(model, revision)
    if cached is None or (extra and not (cached / extra).is_dir()):
        cached = _fetch(model, revision, scheme, extra)
    commit = cached.name
    return Located(model, cached, commit, f"hub:{model}@{commit}")


def _cached(model: str, revision: str | None) -> Path | None:
    """The snapshot in the hub's cache, if it holds weights."""
    try:
        from huggingface_hub.constants import HF_HUB_CACHE
    except ModuleNotFoundError:
        return None
    repo = Path(HF_HUB_CACHE) / f"models--{model.replace('/', '--')}"
    commit = revision or "main"
    if not _COMMIT.match(commit):
        try:
            commit = (repo / "refs" / commit).read_text(encoding="utf-8").strip()
        except OSError:
            return None
    snapshot = repo / "snapshots" / commit
    # An interrupted download, or one of the tokenizer alone, leaves a snapshot without weights.
    return snapshot if any(p.suffix in _WEIGHTS for p in snapshot.glob("**/*")) else None


def offline() -> bool:
    """Whether the user has turned off downloads (``HF_HUB_OFFLINE``)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _missing(model: str, revision: str | None, scheme: str, why: str) -> UserError:
    pinned = f" --revision {revision}" if revision else ""
    return UserError(
        f"the model {model} is not in the cache and {why}",
        f"on a machine with a network, download it with `hf download {model}{pinned}`, "
        f"or point to a local copy with {scheme}:FOLDER",
    )


def _fetch(model: str, revision: str | None, scheme: str, extra: str) -> Path:
    if offline():
        raise _missing(model, revision, scheme, "HF_HUB_OFFLINE is set, so it cannot be downloaded")
    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
        from huggingface_hub.errors import RevisionNotFoundError as NoRevision
    except ModuleNotFoundError as error:
        raise UserError(
            f"the model {model} must be fetched, which needs the package '{error.name}'",
            "pip install huggingface_hub",
        ) from error
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(hub.HfApi().model_info(model, revision=revision, timeout=HUB_SECONDS))
        except Exception as error:
            answer.append(error)

    # On a thread of its own: a name lookup can hang longer than any timeout of the client.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(HUB_SECONDS)
    info = answer[0] if answer else TimeoutError("no answer")
    if isinstance(info, GatedRepoError):
        raise UserError(
            f"the model {model} is gated",
            f"ask for access at its page, then `hf auth login`; "
            f"or use a local copy with {scheme}:FOLDER",
        ) from info
    if isinstance(info, NoRevision):
        raise UserError(
            f"the model {model} has no revision '{revision}'", "give a commit, tag or branch of it"
        ) from info
    if isinstance(info, RepositoryNotFoundError):
        raise UserError(
            f"the hub has no model {model}, or you have no access to it",
            f"check the spelling ({scheme}:ORG/MODEL), or `hf auth login` if it is private",
        ) from info
    if isinstance(info, Exception):
        raise _missing(model, revision, scheme, "the hub cannot be reached") from info
    files = wanted([s.rfilename for s in info.siblings], extra)
    try:
        return Path(hub.snapshot_download(model, revision=info.sha, allow_patterns=files))
    except Exception as error:
        raise UserError(
            f"fetching {model} failed: {type(error).__name__}: {error}"[:300],
            f"try again, or `hf download {model} --revision {info.sha}`",
        ) from error


def wanted(files: list[str], extra: str = "") -> list[str]:
    """Those files of a repository that loading needs: one copy of the weights, no prose."""
    safe = {str(Path(f).parent) for f in files if f.endswith(".safetensors")}
    kept = []
    for file in files:
        path = Path(file)
        if path.suffix.lower() in _PROSE or path.name.startswith("."):
            continue
        if _FOREIGN.search(file) and not (extra and file.startswith(f"{extra}/")):
            continue
        if path.suffix in (".bin", ".pt", ".pth") and str(path.parent) in safe:
            continue
        kept.append(file)
    return kept


def digest_folder(folder: Path) -> str:
    """sha256 over names and contents of the files a loader may read, prose left out."""
    with contextlib.suppress(RuntimeError):  # a process without a home
        home = Path.home().resolve()
        if home.is_relative_to(folder.resolve()):
            raise UserError(
                f"{folder} is or holds your home folder, not a model",
                "give the folder of one saved model",
            )
    whole = hashlib.sha256()
    names = sorted(_model_files(folder))
    for name in names:
        whole.update(f"{name}\0{digest_file(folder / name)}\n".encode())
    return whole.hexdigest()


def _model_files(folder: Path) -> list[str]:
    """Names below the folder, with slashes, of all files but prose and hidden ones."""
    names: list[str] = []
    for place, inner, files in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            path = Path(place, name)
            if name.startswith(".") or path.suffix.lower() in _PROSE or not path.is_file():
                continue
            names.append(path.relative_to(folder).as_posix())
            if len(names) > MOST_FILES:
                raise UserError(
                    f"{folder} holds more than {MOST_FILES:,} files, which no model does",
                    "give the folder of one saved model",
                )
    return names


def digest_file(path: Path) -> str:
    """sha256 of one file, remembered while its size and time stand still."""
    seen = path.stat()
    return _digest(str(path.resolve()), seen.st_size, seen.st_mtime_ns, seen.st_ino)


@lru_cache(maxsize=4096)
def _digest(path: str, size: int, stamp: int, inode: int) -> str:
    with open(path, "rb") as file:
        digest = hashlib.sha256()
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()
