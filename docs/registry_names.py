"""Writes docs/names.md from registry.yaml; --check only compares.

python docs/registry_names.py [--check]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

PAGE = Path(__file__).with_name("names.md")
REGISTRY = Path(__file__).resolve().parent.parent / "registry.yaml"
HEAD = """# Names in the registry

Every name that `registry.yaml` ships. `m2m list` shows them together with the names of installed
plugins and of your own file. [The registry](registry.md) explains the keys and how to add names.

`dim` of a generator is that of its whole token sequence, flattened; of flux and sd3 that of the
pooled vector, which they have at sentence level. A source or target can also be written as
`PLUGIN:MODEL`, with a plugin of the last table.

This page is written by `docs/registry_names.py`.
"""
COLUMNS = {
    "sources": ("model", "dim", "languages", "license", "notes"),
    "targets": ("model", "modality", "dim", "license", "notes"),
    "corpora": ("modality", "license", "notes"),
    "benchmarks": ("modality", "license", "notes"),
    "adapters": ("source", "target", "modality", "notes"),
    "plugins": ("distribution", "install", "abilities"),
}


def section(title: str, entries: dict[str, dict[str, Any]]) -> list[str]:
    """One kind of names as a table."""
    columns = COLUMNS[title]
    lines = [f"## {title.capitalize()}", "", f"| name | {' | '.join(columns)} |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name, entry in entries.items():
        cells = [str(entry.get(column, "")).replace("|", "\\|") for column in columns]
        cells = [f"`{c}`" if column in ("model", "install") and c else c
                 for column, c in zip(columns, cells)]  # fmt: skip
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    return [*lines, ""]


def page() -> str:
    registry = yaml.safe_load(REGISTRY.read_text(encoding="utf-8"))
    lines = [HEAD]
    for title in COLUMNS:
        if registry.get(title):
            lines += section(title, registry[title])
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.exists() and PAGE.read_text(encoding="utf-8") == page() else 1)
    PAGE.write_text(page(), encoding="utf-8")
