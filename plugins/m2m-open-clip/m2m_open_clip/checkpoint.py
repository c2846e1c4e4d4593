"""From a name to open_clip's config, the one weights file, and either tower made from it.

open_clip itself goes on with random weights where it finds none; here that is an error.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2m_adapters.errors import UserError
from m2m_adapters.models import (
    Located,
    did_you_mean,
    digest_file,
    load_error,
    locate,
    offline,
)

CONFIG = "open_clip_config.json"
# The order in which open_clip prefers the weights of a folder.
WEIGHTS = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin", "open_clip_pytorch_model.pth",
    "model.safetensors", "pytorch_model.bin", "pytorch_model.pth", "model.pth",
)  # fmt: skip
# What the tower that is not wanted shrinks to, before it is thrown away.
_NO_IMAGES = {"image_size": 8, "patch_size": 8, "layers": 1, "width": 8, "head_width": 8}
_NO_TEXT = {"context_length": 2, "vocab_size": 2, "width": 8, "heads": 1, "layers": 1}


@dataclass(frozen=True)
class Checkpoint:
    """config: open_clip's ``model_cfg``; preprocess: its ``preprocess_cfg``, maybe partial.

    architecture: its name in open_clip, None for a folder with a config of its own.
    """

    located: Located
    config: dict[str, Any]
    preprocess: dict[str, Any]
    weights: Path
    architecture: str | None = None


def find(name: str, revision: str | None = None) -> Checkpoint:
    """``ARCH/TAG``, ``hf-hub:ORG/MODEL``, ``local-dir:FOLDER`` or a folder -> its files."""
    scheme, _, rest = name.partition(":")
    if scheme == "local-dir" and rest:
        return _folder(_local(rest))
    if scheme == "hf-hub" and rest:
        return _folder(locate(rest, revision, scheme="open-clip:local-dir"))
    if Path(name).expanduser().is_dir():
        return _folder(_local(name))
    architecture, slash, tag = name.rpartition("/")
    if not slash:
        raise UserError(
            f"open-clip:{name} does not say which weights",
            "write open-clip:ARCH/TAG (open-clip:ViT-B-32/laion2b_s34b_b79k), "
            "open-clip:hf-hub:ORG/MODEL or open-clip:local-dir:FOLDER",
        )
    return _tagged(architecture.replace("/", "-"), tag, revision)


def _local(folder: str) -> Located:
    if not Path(folder).expanduser().is_dir():
        raise UserError(f"there is no folder {folder}", "give the folder of an open_clip model")
    return locate(folder, scheme="open-clip:local-dir")


def _folder(located: Located) -> Checkpoint:
    path = located.folder / CONFIG
    if not path.is_file():
        raise UserError(
            f"{located.name} is not an open_clip model: no {CONFIG} in it",
            "give a folder saved by open_clip; for models of transformers use clip:",
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        config = dict(content["model_cfg"])
        if not {"embed_dim", "vision_cfg", "text_cfg"} <= config.keys():
            raise KeyError("embed_dim, vision_cfg or text_cfg")
        config.update(vision_cfg=dict(config["vision_cfg"]), text_cfg=dict(config["text_cfg"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is not a config of open_clip ({type(error).__name__}: {error})",
            "fetch the model again",
        ) from error
    files = [located.folder / file for file in WEIGHTS if (located.folder / file).is_file()]
    if not files:
        raise UserError(
            f"{located.name} has no weights; open_clip would go on with random ones",
            f"put {WEIGHTS[0]} into the folder",
        )
    return Checkpoint(located, config, content.get("preprocess_cfg", {}), files[0])


def _tagged(architecture: str, tag: str, revision: str | None) -> Checkpoint:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    config = open_clip.get_model_config(architecture)
    if config is None:
        near = did_you_mean(architecture, open_clip.list_models())
        raise UserError(
            f"open_clip has no architecture '{architecture}'{near}",
            "open_clip.list_pretrained() shows them all",
        )
    known = get_pretrained_cfg(architecture, tag)
    if not known:
        tags = list_pretrained_tags_by_model(architecture)
        raise UserError(
            f"open_clip has no weights '{tag}' for {architecture}",
            f"choose one of {', '.join(tags)}" if tags else "it has none for this architecture",
        )
    if hub := known.get("hf_hub"):
        repository, _, file = hub.rpartition("/")
        located = locate(repository, revision, scheme="open-clip:local-dir")
        names = (Path(file).with_suffix(".safetensors").name, file) if file else WEIGHTS
        weights = [located.folder / n for n in names if (located.folder / n).is_file()]
        if not weights:
            raise UserError(f"{repository} in the cache has no weights", "fetch it again")
        return Checkpoint(located, config, dict(known), weights[0], architecture)
    return Checkpoint(*_downloaded(architecture, tag, config, known), architecture)


def _downloaded(
    architecture: str, tag: str, config: dict[str, Any], known: dict[str, Any]
) -> tuple[Located, dict[str, Any], dict[str, Any], Path]:
    """Weights that lie on a plain web address, through open_clip's own cache."""
    from open_clip.pretrained import download_pretrained

    cached = Path("~/.cache/clip").expanduser() / str(known.get("url", "")).rpartition("/")[2]
    if not cached.is_file() and offline():
        raise UserError(
            f"the weights {architecture}/{tag} are not in {cached.parent} and HF_HUB_OFFLINE "
            "is set, so they cannot be downloaded",
            f"put {known.get('url')} there, or point to a copy with open-clip:local-dir:FOLDER",
        )
    try:
        path = Path(download_pretrained(known))
    except Exception as error:
        raise UserError(
            f"the weights {architecture}/{tag} cannot be fetched ({error})"[:300],
            f"put {known.get('url')} into {cached.parent}, or use open-clip:local-dir:FOLDER",
        ) from error
    located = Located(f"{architecture}/{tag}", path.parent, None, f"files:{digest_file(path)}")
    return located, config, dict(known), path


def text_tower(checkpoint: Checkpoint) -> Any:
    """open_clip's text module alone, in float32 on the CPU."""
    config = {**deepcopy(checkpoint.config), "vision_cfg": dict(_NO_IMAGES)}
    return _tower(checkpoint, config, "text")


def image_tower(checkpoint: Checkpoint) -> Any:
    """open_clip's image module alone, in float32 on the CPU."""
    config = {**deepcopy(checkpoint.config), "text_cfg": dict(_NO_TEXT)}
    return _tower(checkpoint, config, "visual")


def _tower(checkpoint: Checkpoint, config: dict[str, Any], wanted: str) -> Any:
    from open_clip.factory import load_checkpoint
    from open_clip.model import CustomTextCLIP

    file = str(checkpoint.weights)
    try:
        tower = getattr(CustomTextCLIP(**_made_of_nothing(config)), wanted)
        state = _only(file, wanted)
        if state is not None and not _differs(tower, state):
            tower.load_state_dict(state)
        else:
            # Old formats, resized positions, weights of other projects: the library's own way.
            whole = _whole(deepcopy(checkpoint.config))
            load_checkpoint(whole, file, strict=True, weights_only=True)
            tower = getattr(whole, wanted)
    except Exception as error:
        raise load_error(checkpoint.weights, error) from error
    return tower.eval().requires_grad_(False)


def _whole(config: dict[str, Any]) -> Any:
    from open_clip.coca_model import CoCa
    from open_clip.model import CustomTextCLIP

    captions = config.get("multimodal_cfg")
    settings = _made_of_nothing(config)
    return CoCa(**settings, multimodal_cfg=captions) if captions else CustomTextCLIP(**settings)


def _made_of_nothing(config: dict[str, Any]) -> dict[str, Any]:
    """The config, asking for no base weights from anywhere: ours replace them all."""
    for key in ("custom_text", "multimodal_cfg"):
        config.pop(key, None)
    if "timm_model_name" in config["vision_cfg"]:
        config["vision_cfg"]["timm_model_pretrained"] = False
    if "hf_model_name" in config["text_cfg"]:
        config["text_cfg"]["hf_model_pretrained"] = False
    return config


def _only(file: str, wanted: str) -> dict[str, Any] | None:
    """The wanted tower's tensors, read without touching the others; None for odd formats."""
    if not file.endswith(".safetensors"):
        return None
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        names = list(opened.keys())
        custom = any(name.startswith("text.") for name in names)
        state = {}
        for name in names:
            inside, _, rest = name.partition(".")
            if inside == wanted:
                state[rest] = opened.get_tensor(name)
            elif wanted == "text" and not custom and inside not in ("visual", "logit_scale"):
                state[name] = opened.get_tensor(name)
    return state


def _differs(tower: Any, state: dict[str, Any]) -> bool:
    own = tower.state_dict()
    return own.keys() != state.keys() or any(own[k].shape != v.shape for k, v in state.items())
