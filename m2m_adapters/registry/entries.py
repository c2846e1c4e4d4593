"""Reads registry.yaml and merges the user's own file over it, entry by entry, key by key."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from m2m_adapters._internal.spelling import did_you_mean
from m2m_adapters._internal.user_folders import user_folder
from m2m_adapters.errors import UserError

SECTIONS = {
    "sources": "source",
    "targets": "target",
    "corpora": "corpus",
    "benchmarks": "benchmark",
    "adapters": "adapter",
}

# key -> (type, sections that know it; empty = all)
SCHEMA: dict[str, tuple[type | tuple[type, ...], tuple[str, ...]]] = {
    "plugin": (str, ()),
    "model": (str, ()),
    "revision": (str, ()),
    "dim": (int, ("sources", "targets", "adapters")),
    "modality": (str, ("targets", "benchmarks", "adapters")),
    "languages": ((int, list), ()),
    "licence": (str, ()),
    "notes": (str, ()),
    "install": (str, ()),
    "options": (dict, ()),
    "source": (str, ("adapters",)),
    "target": (str, ("adapters",)),
    "digest": (str, ("adapters",)),
}
PLUGIN_KEYS = {"distribution": str, "install": str}


@dataclass(frozen=True)
class Entry:
    """One line of the registry. ``kind`` is source, target, corpus, benchmark or adapter."""

    kind: str
    name: str
    plugin: str = ""
    model: str = ""
    revision: str | None = None
    dim: int | None = None
    modality: str | None = None
    languages: int | list[str] | None = None
    licence: str | None = None
    notes: str = ""
    install: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    target: str | None = None
    digest: str | None = None


@dataclass
class Registry:
    """All entries by (kind, name), and for each ``plugin:`` value its install line."""

    entries: dict[tuple[str, str], Entry]
    plugins: dict[str, dict[str, str]]

    def names(self, kind: str) -> list[str]:
        return sorted(name for k, name in self.entries if k == kind)

    def find(self, kind: str, name: str) -> Entry | None:
        return self.entries.get((kind, name))

    def install_line(self, entry: Entry) -> str:
        return entry.install or self.plugins.get(entry.plugin, {}).get(
            "install", f"install a plugin that offers '{entry.plugin}'"
        )


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


def _walk(text: str, where: str) -> Iterator[tuple[str, str, str, Any, int]]:
    """(section, entry, key, value, line) of a registry file; malformed files raise."""
    import yaml

    def wrong(what: str, line: int) -> UserError:
        return UserError(f"{where}, line {line}: {what}", "see docs/registry.md for the format")

    def mapping(node: Any, what: str) -> list[tuple[Any, Any]]:
        if not isinstance(node, yaml.MappingNode):
            raise wrong(f"{what} must be a mapping of keys to values", node.start_mark.line + 1)
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise wrong(f"'{key.value}' appears twice in {what}", key.start_mark.line + 1)
            seen.add(key.value)
        return list(node.value)

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not YAML"
        raise wrong(str(problem), mark.line + 1 if mark else 1) from error
    if root is None:
        return
    constructor = yaml.SafeLoader("")
    for section, body in mapping(root, "the file"):
        line = section.start_mark.line + 1
        if section.value not in (*SECTIONS, "plugins"):
            near = did_you_mean(section.value, [*SECTIONS, "plugins"])
            raise wrong(f"unknown section '{section.value}'{near}", line)
        for name, entry in mapping(body, f"'{section.value}'"):
            told = f"{section.value}.{name.value}"
            for key, value in mapping(entry, told):
                line = key.start_mark.line + 1
                known = _known_keys(section.value)
                if key.value not in known:
                    near = did_you_mean(key.value, list(known))
                    raise wrong(f"unknown key '{key.value}' in {told}{near}", line)
                try:
                    made = constructor.construct_object(value, deep=True)
                except yaml.YAMLError as error:  # a tag that asks for a Python object
                    raise wrong(f"'{key.value}' in {told} is not plain data", line) from error
                kinds = known[key.value]
                if made is not None and (not isinstance(made, kinds) or isinstance(made, bool)):
                    names = kinds if isinstance(kinds, tuple) else (kinds,)
                    wanted = " or ".join(t.__name__ for t in names)
                    raise wrong(
                        f"'{key.value}' in {told} must be {wanted}, not {type(made).__name__}", line
                    )
                if isinstance(made, dict) and "trust_remote_code" in made:
                    raise wrong(
                        f"{told} asks for trust_remote_code, which only your own "
                        "--trust-remote-code can give",
                        line,
                    )
                yield section.value, str(name.value), key.value, made, line


def _known_keys(section: str) -> dict[str, type | tuple[type, ...]]:
    if section == "plugins":
        return dict(PLUGIN_KEYS)
    return {key: kind for key, (kind, where) in SCHEMA.items() if not where or section in where}


def read(files: list[tuple[str, str]]) -> Registry:
    """Registry from (text, name of the file) pairs, each merged over those before."""
    merged: dict[str, dict[str, dict[str, Any]]] = {s: {} for s in (*SECTIONS, "plugins")}
    for text, where in files:
        for section, name, key, value, _ in _walk(text, where):
            merged[section].setdefault(name, {})[key] = value
    entries = {}
    for section, kind in SECTIONS.items():
        for name, values in merged[section].items():
            entries[kind, name] = Entry(
                kind, name, **{k: v for k, v in values.items() if v is not None}
            )
    return Registry(entries, merged["plugins"])


@lru_cache(maxsize=4)
def _cached(user: Path | None, stamp: int) -> Registry:
    files = [(shipped_text(), "registry.yaml")]
    if user is not None:
        try:
            files.append((user.read_text(encoding="utf-8"), str(user)))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read the registry {user}: {error}", "mend the file") from error
    return read(files)


def registry() -> Registry:
    """The shipped registry with the user's merged over it."""
    user = user_file()
    return _cached(user, user.stat().st_mtime_ns if user else 0)
