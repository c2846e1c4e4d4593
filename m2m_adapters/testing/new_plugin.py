"""Writes a new plugin: a complete distribution from the template in plugins/template."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path

from m2m_adapters._internal.folders import whole_folder
from m2m_adapters.errors import UserError


def template_folder() -> Path:
    """The template: inside the wheel, or in a checkout."""
    inside = Path(str(resources.files("m2m_adapters"))) / "plugin_template"
    return inside if inside.is_dir() else Path(__file__).resolve().parents[2] / "plugins/template"


def write_plugin(name: str, folder: str | Path | None = None) -> Path:
    """A plugin called ``name`` in ``folder`` (default: ``m2m-NAME`` here).

    name: with or without ``m2m-`` in front.
    """
    name = name.removeprefix("m2m-")
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UserError(
            f"'{name}' cannot be a plugin's name",
            "use small letters, digits and single dashes, e.g. my-encoder",
        )
    words = {
        "name": name,
        "distribution": f"m2m-{name}",
        "package": f"m2m_{name.replace('-', '_')}",
    }
    place = Path(folder) if folder is not None else Path(words["distribution"])
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UserError(f"{place} exists already", "choose another folder with --out")
    source = template_folder()
    with whole_folder(place, names=()) as temporary:
        for file in sorted(p for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc"):
            relative = file.relative_to(source)
            if relative.parts[0] == "package":
                relative = Path(words["package"], *relative.parts[1:])
            text = file.read_text(encoding="utf-8")
            for key, value in words.items():
                text = text.replace("{{" + key + "}}", value)
            (temporary / relative).parent.mkdir(parents=True, exist_ok=True)
            (temporary / relative).write_text(text, encoding="utf-8")
    return place
