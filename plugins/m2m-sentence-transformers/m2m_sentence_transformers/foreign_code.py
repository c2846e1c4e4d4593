"""Refuse Python code that comes with a model, before any library is asked to run it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import Located


def refuse_foreign_code(located: Located, trusted: bool) -> None:
    """Say in one line what code a model would bring, before any library is asked to run it."""
    if trusted:
        return
    named: list[str] = []
    modules = _json(located.folder / "modules.json")
    for entry in modules if isinstance(modules, list) else []:
        kind = str(entry.get("type", ""))
        if not kind.startswith("sentence_transformers."):
            named.append(kind)
        config = _json(located.folder / str(entry.get("path", "")) / "config.json")
        named += _auto_map(config) + _activation(config)
    named += _auto_map(_json(located.folder / "config.json"))
    if named:
        raise UserError(
            f"{located.name} comes with Python code of its own ({named[0]}), which is not run "
            "unless you allow it",
            "read the code in its repository, then pass --trust-remote-code",
        )


def _auto_map(config: Any) -> list[str]:
    classes = config.get("auto_map", {}) if isinstance(config, dict) else {}
    # Code a class of transformers has replaced is named in old files, and no longer needed.
    if not classes or _known_to_transformers(str(config.get("model_type"))):
        return []
    return [str(next(iter(classes.values())))]


def _activation(config: Any) -> list[str]:
    """A Dense layer's activation that is not torch's own.

    Without trust sentence-transformers only warns, and computes with Tanh instead: other
    vectors, which nothing would tell from the right ones.
    """
    name = config.get("activation_function") if isinstance(config, dict) else None
    return [str(name)] if name is not None and not str(name).startswith("torch.") else []


def _known_to_transformers(model_type: str) -> bool:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    return model_type in CONFIG_MAPPING_NAMES


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error})", "fetch the model again") from error
