"""Adapters on the hub: resolve, download and check.

Of a repository only the adapter's own files are fetched, each after its size was looked at;
whatever else lies there is never touched. A name is resolved to a commit before that.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import warnings
from pathlib import Path
from typing import Any

from m2m_adapters._internal.files import cache_folder, whole_file
from m2m_adapters._internal.folders import whole_folder
from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters.artifact.codec import read_record
from m2m_adapters.artifact.record import (
    BANK,
    CARD,
    LANGUAGES,
    RECORD,
    WEIGHTS,
    WEIGHTS_LIMIT,
    FileRecord,
)
from m2m_adapters.artifact.untrusted import JSON_LIMIT, read_file
from m2m_adapters.artifact.weights import digest_of
from m2m_adapters.errors import UserError
from m2m_adapters.models.weights import offline
from m2m_adapters.registry.entries import registry

SECONDS = 10.0
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?\Z")
COMMIT = re.compile(r"[0-9a-f]{40}\Z")
RESULTS = re.compile(r"\.eval_results/[\w-]+\.yaml\Z")
TABLE_LIMIT = 64 << 20
LIMITS = {
    WEIGHTS: WEIGHTS_LIMIT, RECORD: JSON_LIMIT, CARD: JSON_LIMIT, BANK: TABLE_LIMIT,
    LANGUAGES: TABLE_LIMIT,
}  # fmt: skip
INSTALL = 'pip install "m2m-adapters[hub]"'


def find(name: str, digest: str | None = None) -> Path:
    """The local folder of an adapter: ``org/name``, ``org/name@revision``, or a registry name.

    digest: the sha256 that it must have; a registry entry brings its own.
    """
    entry = registry().find("adapter", name)
    if entry is not None:
        if entry.model.startswith("https://"):
            file = entry.model.rpartition("/")[2]
            raise UserError(
                f"'{name}' is published as a checkpoint of another project: {entry.model}",
                f"fetch it, then `m2m import {file} --source {entry.source} "
                f"--target {entry.target} --out {name}`",
            )
        digest = digest or entry.digest
        name = f"{entry.model}@{entry.revision}" if entry.revision else entry.model
    elif not NAME.match(name) or ".." in name:
        near = did_you_mean(name, registry().names("adapter"))
        raise UserError(
            f"there is no adapter folder {name}{near}",
            "make one with `m2m align`, correct the path, or name one of the hub as ORG/NAME",
        )
    repo, _, revision = name.partition("@")
    folder = _local(repo, revision or "main")
    _check(folder, digest)
    return folder


def library() -> Any:
    """The package huggingface_hub."""
    try:
        import huggingface_hub
    except ImportError as error:
        raise UserError("adapters of the hub need huggingface_hub", INSTALL) from error
    return huggingface_hub


def _local(repo: str, revision: str) -> Path:
    """The folder of a revision in our cache; fetched if it is not there yet."""
    place = cache_folder() / "adapters" / repo.replace("/", "--")
    if COMMIT.match(revision) and (place / revision / RECORD).is_file():
        return place / revision
    note = place / "refs" / hashlib.sha256(revision.encode()).hexdigest()[:24]
    kept = _kept(place, note)
    if offline():
        if kept is None:
            raise UserError(
                f"the adapter {repo}@{revision} is not on this machine and HF_HUB_OFFLINE is set, "
                "so it cannot be downloaded",
                "on a machine with a network, download it with `m2m pull`, and give the folder",
            )
        return kept
    library()
    try:
        commit, sizes = _ask(repo, revision)
        folder = place / commit
        if not (folder / RECORD).is_file():
            _fetch(repo, commit, sizes, folder)
    except UserError:
        raise
    except Exception as error:
        if kept is not None and _unreachable(error):
            warnings.warn(
                f"the hub cannot be reached; using {repo} as fetched before ({kept.name[:12]})",
                stacklevel=3,
            )
            return kept
        raise failed(repo, revision, error, "fetch") from error
    note.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(note) as temporary:
        temporary.write_text(commit, encoding="utf-8")
    return folder


def _kept(place: Path, note: Path) -> Path | None:
    """The commit that a name resolved to last time, if it is still in the cache."""
    try:
        commit = note.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    folder = place / commit
    return folder if COMMIT.match(commit) and (folder / RECORD).is_file() else None


def _ask(repo: str, revision: str) -> tuple[str, dict[str, int]]:
    """(commit of a revision, sizes of the adapter's files there)."""
    info = _api().model_info(repo, revision=revision, files_metadata=True, timeout=SECONDS)
    commit = str(info.sha)
    if not COMMIT.match(commit):
        raise UserError(f"the hub returned no commit for {repo}@{revision}", "try again later")
    sizes = {
        file.rfilename: int(file.size or 0)
        for file in info.siblings or []
        if file.rfilename in LIMITS or RESULTS.match(file.rfilename)
    }
    for name in (RECORD, WEIGHTS):
        if name not in sizes:
            raise UserError(
                f"{repo}@{revision} is not an adapter: it has no {name}",
                "correct the name, or import a published .pth file with `m2m import`",
            )
    for name, size in sizes.items():
        if size > LIMITS.get(name, JSON_LIMIT):
            raise UserError(
                f"{repo}@{revision}: {name} has {size:,} bytes, far more than an adapter can have",
                "do not use this repository",
            )
    return commit, sizes


def _fetch(repo: str, commit: str, names: dict[str, int], folder: Path) -> None:
    """The named files of a commit, read strictly, then all at once in ``folder``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder, names=names) as temporary:
        for name in sorted(names):
            try:
                library().hf_hub_download(
                    repo, name, revision=commit, local_dir=temporary, endpoint=_endpoint()
                )
            except Exception as error:
                raise failed(repo, commit, error, "fetch") from error
        shutil.rmtree(temporary / ".cache", ignore_errors=True)
        _check(temporary, None)


def _check(folder: Path, digest: str | None) -> None:
    """The record is sound, its files are those it describes, and those asked for."""
    record = read_record(folder)
    name = folder.parent.name.replace("--", "/")
    described: dict[str, FileRecord | None] = {
        WEIGHTS: record.weights, BANK: record.bank, LANGUAGES: record.languages,
    }  # fmt: skip
    for file, about in described.items():
        if about is None:
            continue
        raw = read_file(folder / file, about.bytes)
        if hashlib.sha256(raw).hexdigest() != about.sha256:
            raise UserError(
                f"{file} of {name} does not match its record (the digest differs)",
                "do not use it, and tell its author",
            )
    actual = digest_of(record.weights, record.bank, record.languages)
    if digest is not None and actual != digest.lower().removeprefix("sha256:"):
        raise UserError(
            f"the adapter {name} has the digest {actual}, not {digest}",
            "do not use it: it is another adapter than the one you asked for",
        )


def origin(folder: Path) -> dict[str, str] | None:
    """``repo`` and ``commit`` of a folder in our cache of the hub, None for any other."""
    if folder.parent.parent != cache_folder() / "adapters" or not COMMIT.match(folder.name):
        return None
    return {"repo": folder.parent.name.replace("--", "/", 1), "commit": folder.name}


def _api() -> Any:
    return library().HfApi(endpoint=_endpoint())


def _endpoint() -> str | None:
    # Read at every call: the library looks at it once, when it is imported.
    return os.environ.get("HF_ENDPOINT") or None


def url(repo: str) -> str:
    from huggingface_hub import constants

    return f"{(_endpoint() or constants.ENDPOINT).rstrip('/')}/{repo}"


def _unreachable(error: Exception) -> bool:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status is None or int(status) >= 500


def failed(repo: str, revision: str | None, error: Exception, what: str) -> UserError:
    """One line for an error of the hub."""
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        return UserError(f"{repo} is gated", "ask for access at its page, then `hf auth login`")
    if isinstance(error, RevisionNotFoundError):
        return UserError(f"{repo} has no revision '{revision}'", "give a commit, tag or branch")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(
            f"the hub has no {repo}, or you have no access to it",
            "check the spelling, or `hf auth login` if it is private",
        )
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, HfHubHTTPError) and status in (401, 403):
        return UserError(f"the hub does not let you {what} {repo}", "`hf auth login`")
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    if what == "fetch":
        return UserError(
            f"there is no folder {repo} here, and fetching it from the hub failed ({reason})",
            "try again, or give a folder of this machine",
        )
    return UserError(f"cannot {what} {repo} ({reason})", "try again")
