"""Publish adapters on the hub, and download them into a folder."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import structs

from m2m_adapters.artifact.adapter import Adapter
from m2m_adapters.artifact.card import card
from m2m_adapters.artifact.hub import NAME, failed, library, url
from m2m_adapters.artifact.load import load_adapter
from m2m_adapters.artifact.record import CARD, Record
from m2m_adapters.artifact.results import result_files
from m2m_adapters.errors import UserError
from m2m_adapters.models.weights import offline


@dataclass(frozen=True)
class Published:
    """Where an adapter lies on the hub. digest: the sha256 of its weights, to be passed on."""

    repo: str
    commit: str
    url: str
    digest: str


def pull(name: str, out: str | Path, digest: str | None = None) -> Published:
    """Download an adapter into ``out`` and check it; its record names repository and commit."""
    adapter = load_adapter(name, digest=digest)
    if (origin := adapter.record.hub) is None:
        raise UserError(f"{name} is a folder already", "pull takes ORG/NAME or ORG/NAME@REVISION")
    adapter.save(out, overwrite=False)
    return Published(origin.repo, origin.commit, url(origin.repo), adapter.digest)


def push(
    adapter: Adapter | str | Path,
    repo: str,
    *,
    private: bool | None = None,
    branch: str | None = None,
    create_pr: bool = False,
    message: str = "Add an adapter",
) -> Published:
    """Publish an adapter as ``org/name``: weights, record, card and results, in one commit."""
    if not NAME.match(repo) or "@" in repo or ".." in repo:
        raise UserError(f"'{repo}' is not a repository name of the hub", "write ORG/NAME")
    if isinstance(adapter, str | Path) and not Path(adapter).is_dir():
        raise UserError(f"there is no adapter folder {adapter}", "correct the path")
    loaded = load_adapter(adapter) if isinstance(adapter, str | Path) else adapter
    _no_machine_paths(loaded)
    shared = Adapter(
        loaded.projector,
        _without_paths(loaded.record),
        bank=loaded.bank,
        languages=loaded.languages,
    )
    if offline():
        raise UserError("HF_HUB_OFFLINE is set, so nothing can be published", "unset it")
    try:
        done: Any = hub_adapter()(shared, repo).push_to_hub(
            repo, private=private, branch=branch, create_pr=create_pr, commit_message=message
        )
    except Exception as error:
        raise failed(repo, branch, error, "publish") from error
    return Published(repo, str(done.oid), url(repo), loaded.digest)


def write_folder(adapter: Adapter, folder: Path, repo: str) -> None:
    """What is published: the artifact, the card with the hub's name in it, and the results."""
    adapter.save(folder)
    (folder / CARD).write_text(card(adapter.record, repo), encoding="utf-8")
    for name, text in result_files(adapter.record).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _no_machine_paths(adapter: Adapter) -> None:
    """Refuse a local folder as source: others do not have it, and its path is private."""
    record = adapter.record
    for side in ("source", "target"):
        name = (record.source if side == "source" else record.target).name or ""
        for term in name.split("+"):
            path = term.rpartition("*")[2].partition(":")[2]
            if path and (path.startswith(("/", "~", ".")) or os.path.isdir(path)):
                raise UserError(
                    f"the {side} of this adapter is a local folder ({path}), "
                    "which others do not have",
                    "align with a model of the hub, or publish that model first",
                )


def _without_paths(record: Record) -> Record:
    """The record without the folders that files of the corpus lay in."""
    if record.corpus is None:
        return record
    origins = [
        structs.replace(origin, path=origin.title) if origin.kind == "file" else origin
        for origin in record.corpus.origins
    ]
    return structs.replace(record, corpus=structs.replace(record.corpus, origins=origins))


@cache
def hub_adapter() -> Any:
    """The class ``HubAdapter``, made on first use: its base is the hub's library."""

    class HubAdapter(library().ModelHubMixin, library_name="m2m-adapters"):  # type: ignore[misc, call-arg]
        """``adapter`` with the methods that users of the hub expect.

        Unlike the library's own mixin for torch it reads safetensors only, and strictly.
        """

        def __init__(self, adapter: Adapter, repo: str = "") -> None:
            self.adapter = adapter
            self.repo = repo
            self._hub_mixin_config = None  # adapter.json says it all; no config.json beside it

        def _save_pretrained(self, save_directory: Path) -> None:
            write_folder(self.adapter, Path(save_directory), self.repo)

        @classmethod
        def from_pretrained(
            cls,
            pretrained_model_name_or_path: str | Path,
            *,
            revision: str | None = None,
            **options: Any,
        ) -> Any:
            """An adapter of the hub or of a folder; options as ``load_adapter`` takes them."""
            # The library's own would ask for a config.json first, which an adapter does not have.
            name = str(pretrained_model_name_or_path)
            is_folder = Path(name).is_dir()
            reference = f"{name}@{revision}" if revision and not is_folder else name
            return cls(load_adapter(reference, **options), "" if is_folder else name)

    return HubAdapter


def __getattr__(name: str) -> Any:
    if name == "HubAdapter":
        return hub_adapter()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
