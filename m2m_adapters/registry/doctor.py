"""Looks at an installation the way a helpful colleague would."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

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
    """One thing looked at. state: ``ok``, ``absent`` (fine, but not there) or ``wrong``."""

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
    """Everything, in the order a reader needs it."""
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
        found = _version(name)
        if found:
            findings.append(Finding(name, found))
        elif extra:
            findings.append(
                Finding(
                    name,
                    "not installed",
                    "absent",
                    f'only if wanted{_apart(name)}: pip install "m2m-adapters[{extra}]"',
                )
            )
        else:
            findings.append(Finding(name, "not installed", "wrong", f"pip install {name}"))
    return findings


def _number(name: str) -> tuple[int, ...]:
    parts = (_version(name) or "0").split("+")[0].split(".")
    return tuple(int(p) for p in parts if p.isdigit())


def _apart(name: str) -> str:
    """What installing ``name`` here would do to the others."""
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

    hub = Path(
        os.environ.get("HF_HUB_CACHE")
        or Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface")) / "hub"
    )
    findings = []
    for what, folder in (("model cache", hub), ("embedding cache", cache_folder())):
        near = next(p for p in (folder, *folder.parents) if p.exists())
        free = shutil.disk_usage(near).free
        if not os.access(near, os.W_OK):
            findings.append(
                Finding(
                    what,
                    f"{folder} is not writable",
                    "wrong",
                    "set HF_HOME or M2M_CACHE to a writable folder",
                )
            )
        elif free < ENOUGH_DISK:
            findings.append(
                Finding(what, f"{folder}, only {free >> 20} MiB free", "wrong", "free some space")
            )
        else:
            findings.append(Finding(what, f"{folder}, {free >> 30} GiB free"))
    if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        findings.append(Finding("HF_HUB_OFFLINE", "set: nothing is downloaded"))
    return findings


def _plugins() -> list[Finding]:
    from m2m_adapters.errors import M2MError
    from m2m_adapters.registry.plugins import catalogue

    try:
        found = catalogue()
    except M2MError as error:
        return [Finding("plugins", str(error), "wrong", "mend or uninstall it")]
    findings = []
    for plugin in found.plugins:
        told = f"{plugin.distribution} {plugin.version}"
        if plugin.reason:
            findings.append(
                Finding(
                    f"plugin {plugin.name}",
                    f"{told}: {plugin.reason}",
                    "wrong",
                    f"pip install -U {plugin.distribution}, or uninstall it",
                )
            )
        else:
            findings.append(Finding(f"plugin {plugin.name}", f"{told}, {len(plugin.offers)} names"))
    for (kind, name), claimants in found.clashes.items():
        findings.append(
            Finding(
                f"{kind} {name}",
                f"claimed by {' and '.join(claimants)}",
                "wrong",
                "uninstall one of them",
            )
        )
    return findings


def _registry() -> list[Finding]:
    from m2m_adapters.errors import UserError
    from m2m_adapters.registry.entries import registry, user_file

    try:
        entries = len(registry().entries)
        user = user_file()
    except UserError as error:
        return [Finding("registry", error.what, "wrong", error.remedy)]
    return [Finding("registry", f"{entries} entries" + (f", with {user}" if user else ""))]
