"""Reads registry.yaml and merges the user's own file over it, entry by entry, key by key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, ValidationError, convert

from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters._internal.user_folders import user_folder
from m2m_adapters.errors import UserError
from m2m_adapters.registry.yaml_file import YamlFile, parse


class Plugin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value that ``plugin:`` may have. distribution: its package; install: how to get it.

    abilities: what its targets do besides encoding text: ``encode items`` or ``generate``.
    """

    distribution: str = ""
    install: str = ""
    abilities: str = ""


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the registry. ``kind`` is source, target, corpus, benchmark or adapter."""

    kind: str
    name: str
    plugin: str = ""
    model: str = ""
    revision: str | None = None
    dim: Annotated[int, Meta(ge=1)] | None = None
    modality: str | None = None
    languages: int | list[str] | None = None
    license: str | None = None
    notes: str = ""
    install: str | None = None
    options: dict[str, Any] = {}
    source: str | None = None
    target: str | None = None
    digest: str | None = None
    texts: str | None = None


SECTIONS = {
    "sources": "source",
    "targets": "target",
    "corpora": "corpus",
    "benchmarks": "benchmark",
    "adapters": "adapter",
}
COMMON = ("plugin", "model", "revision", "languages", "license", "notes", "install", "options")
KEYS = {
    "sources": (*COMMON, "dim"),
    "targets": (*COMMON, "dim", "modality", "texts"),
    "corpora": (*COMMON, "modality"),
    "benchmarks": (*COMMON, "modality"),
    "adapters": (*COMMON, "dim", "modality", "source", "target", "digest"),
    "plugins": Plugin.__struct_fields__,
}


@dataclass
class Registry:
    """All entries by (kind, name), and for each ``plugin:`` value its install line."""

    entries: dict[tuple[str, str], Entry]
    plugins: dict[str, Plugin]

    def names(self, kind: str) -> list[str]:
        return sorted(name for k, name in self.entries if k == kind)

    def in_order(self, kind: str) -> list[str]:
        """Names in the order in which the files have them."""
        return [name for k, name in self.entries if k == kind]

    def find(self, kind: str, name: str) -> Entry | None:
        return self.entries.get((kind, name))

    def install_line(self, entry: Entry) -> str:
        plugin = self.plugins.get(entry.plugin, Plugin())
        return entry.install or plugin.install or f"install a plugin that offers '{entry.plugin}'"


def user_file() -> Path | None:
    """The user's own registry: ``M2M_REGISTRY``, else the platform's config folder, if there."""
    if named := os.environ.get("M2M_REGISTRY"):
        path = Path(named)
        if not path.is_file():
            raise UserError(
                f"M2M_REGISTRY names {path}, which is not a file",
                "correct the path or unset M2M_REGISTRY",
            )
        return path
    path = user_folder("config") / "registry.yaml"
    return path if path.is_file() else None


def shipped_text() -> str:
    """The registry of this release: inside the wheel, or the root file of a checkout."""
    inside = resources.files("m2m_adapters") / "registry.yaml"
    if inside.is_file():
        return inside.read_text(encoding="utf-8")
    root = Path(__file__).resolve().parents[2] / "registry.yaml"
    return root.read_text(encoding="utf-8")


def read(files: list[tuple[str, str]]) -> Registry:
    """Registry from (text, name of the file) pairs, each merged over those before."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for text, where in files:
        for section, name, values in _checked(parse(text, where)):
            merged.setdefault((section, name), {}).update(values)
    entries, plugins = {}, {}
    for (section, name), values in merged.items():
        filled = {key: value for key, value in values.items() if value is not None}
        if section == "plugins":
            plugins[name] = convert(filled, Plugin)
        else:
            kind = SECTIONS[section]
            entries[kind, name] = convert({**filled, "kind": kind, "name": name}, Entry)
    return Registry(entries, plugins)


def _checked(file: YamlFile) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(section, name, values) of a file; what does not fit is refused with its line and key."""
    for section, body in file.mapping((), "the file").items():
        if section not in KEYS:
            near = did_you_mean(section, list(KEYS))
            raise file.wrong((section,), f"unknown section '{section}'{near}")
        for name in file.mapping((section,), f"'{section}'") if body is not None else ():
            entry = f"{section}.{name}"
            values = file.mapping((section, name), entry)
            for key, value in values.items():
                where = (section, name, key)
                if key not in KEYS[section]:
                    near = did_you_mean(key, list(KEYS[section]))
                    raise file.wrong(where, f"unknown key '{key}' in {entry}{near}")
                _fits(file, where, value)
            yield section, name, values


def _fits(file: YamlFile, where: tuple[str, str, str], value: object) -> None:
    section, name, key = where
    if value is None:
        return
    try:
        if section == "plugins":
            convert({key: value}, Plugin)
        else:
            convert({"kind": "", "name": "", key: value}, Entry)
    except ValidationError as error:
        expected = str(error).partition(" - at")[0].replace("`", "").removeprefix("Expected ")
        what = expected.replace(" | null", "").replace(", got ", ", not ")
        raise file.wrong(where, f"'{key}' in {section}.{name} must be {what}") from error
    if isinstance(value, dict) and "trust_remote_code" in value:
        raise file.wrong(
            where,
            f"{section}.{name} asks for trust_remote_code, which only your own "
            "--trust-remote-code can give",
        )


@lru_cache(maxsize=4)
def _cached(user: Path | None, stamp: int) -> Registry:
    files = [(shipped_text(), "registry.yaml")]
    if user is not None:
        try:
            files.append((user.read_text(encoding="utf-8"), str(user)))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"cannot read the registry {user}: {error}", "correct the file"
            ) from error
    return read(files)


def registry() -> Registry:
    """The shipped registry with the user's merged over it."""
    user = user_file()
    return _cached(user, user.stat().st_mtime_ns if user else 0)
