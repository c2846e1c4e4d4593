"""Checks an installation: Python, libraries, devices, caches, plugins, registry."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from m2m_adapters._internal.spelling import counted
from m2m_adapters._internal.user_folders import expanded
from m2m_adapters.errors import UserError

LIBRARIES = {
    "torch": "",
    "numpy": "",
    "transformers": "clip",
    "sentence-transformers": "sentence-transformers",
    "open_clip_torch": "open-clip",
    "torchvision": "open-clip",
    "laion-clap": "laion-clap",
    "diffusers": "diffusion",
    "pyarrow": "parquet",
    "huggingface_hub": "hub",
    "onnxruntime": "export",
    "ray": "ray",
    "accelerate": "tracking",
    "soundfile": "clap",
}
ENOUGH_DISK = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One thing checked.

    found: what is there. state: ``ok``, ``absent`` (optional and not installed) or ``wrong``.
    """

    what: str
    found: str
    state: str = "ok"
    remedy: str = ""

    @property
    def mark(self) -> str:
        return {"ok": "+", "absent": " ", "wrong": "!"}[self.state]

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def diagnose() -> list[Finding]:
    """All findings, the most basic first."""
    return [
        *_python(),
        *_libraries(),
        *_pairs(),
        *_devices(),
        *_caches(),
        *_plugins(),
        *_registry(),
    ]


def _python() -> list[Finding]:
    old = sys.version_info < (3, 10)
    return [
        Finding(
            "python",
            f"{platform.python_version()} on {platform.system()}",
            "wrong" if old else "ok",
            "use Python 3.10 or newer" if old else "",
        )
    ]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _libraries() -> list[Finding]:
    findings = []
    for name, extra in LIBRARIES.items():
        version_found = _version(name)
        if version_found:
            findings.append(Finding(name, version_found))
        elif extra:
            findings.append(
                Finding(
                    name,
                    "not installed",
                    "absent",
                    f'optional{_apart(name)}: pip install "m2m-adapters[{extra}]"',
                )
            )
        else:
            findings.append(Finding(name, "not installed", "wrong", f"pip install {name}"))
    return findings


def _number(name: str) -> tuple[int, ...]:
    """The version of a library as numbers; (0,) when it is not installed."""
    parts = (_version(name) or "0").split("+")[0].split(".")
    return tuple(int(p) for p in parts if p.isdigit())


def _apart(name: str) -> str:
    """How installing ``name`` here would change other packages."""
    if name != "laion-clap" or _number("numpy") < (2,):
        return ""
    return f", in an environment of its own (it needs numpy<2, here is {_version('numpy')})"


def _pairs() -> list[Finding]:
    """Versions that do not work together although pip accepts them."""
    findings = []
    if _version("pyarrow") and _number("numpy") < (2,) and _number("pyarrow") >= (26,):
        findings.append(
            Finding(
                "pyarrow with numpy",
                f"{_version('pyarrow')}, {_version('numpy')}",
                "wrong",
                'pip install "pyarrow<26"',
            )
        )
    if _version("laion-clap") and _number("numpy") >= (2,):
        findings.append(
            Finding(
                "laion-clap with numpy",
                _version("numpy") or "",
                "wrong",
                'pip install "numpy<2" "pyarrow<26", or keep laion-clap in an '
                "environment of its own",
            )
        )
    if _version("torchvision") and importlib.util.find_spec("torchvision"):
        try:
            import torchvision  # noqa: F401
        except Exception as error:
            findings.append(
                Finding(
                    "torchvision with torch",
                    str(error).splitlines()[0],
                    "wrong",
                    "install torch and torchvision from the same place",
                )
            )
    return findings


def _devices() -> list[Finding]:
    try:
        import torch
    except Exception as error:
        return [Finding("torch", str(error).splitlines()[0], "wrong", "pip install torch")]
    findings = [Finding("cpu", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")]
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            memory = torch.cuda.get_device_properties(index).total_memory / (1 << 30)
            name = torch.cuda.get_device_name(index)
            findings.append(Finding(f"cuda:{index}", f"{name}, {memory:.0f} GiB"))
    else:
        findings.append(Finding("cuda", "none", "absent"))
    mps = torch.backends.mps.is_available()
    findings.append(Finding("mps", "available" if mps else "none", "ok" if mps else "absent"))
    return findings


def _caches() -> list[Finding]:
    from m2m_adapters._internal.files import cache_folder

    findings = []
    for what, find in (("model cache", _hub_cache), ("embedding cache", cache_folder)):
        try:
            findings.append(_cache(what, find()))
        except (OSError, RuntimeError, UserError) as error:
            findings.append(
                Finding(what, str(error), "wrong", "set HF_HOME and M2M_CACHE to writable folders")
            )
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        findings.append(Finding("HF_HUB_OFFLINE", "set: nothing is downloaded"))
    return findings


def _hub_cache() -> Path:
    if named := os.environ.get("HF_HUB_CACHE"):
        return expanded(named)
    return expanded(os.environ.get("HF_HOME") or "~/.cache/huggingface") / "hub"


def _cache(what: str, folder: Path) -> Finding:
    near = next(p for p in (folder, *folder.parents) if p.exists())
    free = shutil.disk_usage(near).free
    if not os.access(near, os.W_OK):
        remedy = "set HF_HOME or M2M_CACHE to a writable folder"
        return Finding(what, f"{folder} is not writable", "wrong", remedy)
    if free < ENOUGH_DISK:
        return Finding(what, f"{folder}, only {free >> 20} MiB free", "wrong", "free some space")
    return Finding(what, f"{folder}, {free >> 30} GiB free")


def _plugins() -> list[Finding]:
    from m2m_adapters.errors import M2MError
    from m2m_adapters.registry.plugins import catalogue

    try:
        installed = catalogue()
    except M2MError as error:
        return [Finding("plugins", str(error), "wrong", "update or uninstall it")]
    findings = []
    for plugin in installed.plugins:
        label = f"{plugin.distribution} {plugin.version}"
        what = f"plugin {plugin.name}"
        if plugin.reason:
            remedy = f"pip install -U {plugin.distribution}, or uninstall it"
            findings.append(Finding(what, f"{label}: {plugin.reason}", "wrong", remedy))
        else:
            findings.append(Finding(what, f"{label}, {counted(len(plugin.offers), 'name')}"))
    for (kind, name), claimants in installed.clashes.items():
        claimed = f"claimed by {' and '.join(claimants)}"
        findings.append(Finding(f"{kind} {name}", claimed, "wrong", "uninstall one of them"))
    for broken in installed.unreadable:
        findings.append(
            Finding("package metadata", broken, "wrong", "reinstall or remove that package")
        )
    return findings


def _registry() -> list[Finding]:
    from m2m_adapters.registry.entries import registry, user_file

    try:
        entries = len(registry().entries)
        user = user_file()
    except UserError as error:
        return [Finding("registry", error.what, "wrong", error.remedy)]
    return [Finding("registry", f"{entries} entries" + (f", with {user}" if user else ""))]
