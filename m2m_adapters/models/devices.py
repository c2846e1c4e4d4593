"""Which device and which number format a model runs with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    import torch

PRECISIONS = ("fp32", "bf16", "fp16")
AUTO = "auto"


def choose_device(device: str | torch.device = "auto") -> torch.device:
    """``auto`` -> the best there is: CUDA, then MPS, then XPU, then the CPU."""
    import torch

    if str(device) != "auto":
        try:
            chosen = torch.device(device)
        except RuntimeError as error:
            raise UserError(
                f"'{device}' is not a device", "use auto, cpu, cuda, cuda:1, mps or xpu"
            ) from error
        if not _present(chosen):
            raise UserError(f"this machine has no device '{device}'", "use --device auto or cpu")
        return chosen
    for name in ("cuda", "mps", "xpu"):
        if _present(torch.device(name)):
            return torch.device(name)
    return torch.device("cpu")


def _present(device: torch.device) -> bool:
    import torch

    if device.type == "cpu":
        return True
    if device.type == "mps":
        return torch.backends.mps.is_available()
    if device.type in ("cuda", "xpu"):
        module = getattr(torch, device.type)
        return bool(module.is_available()) and (device.index or 0) < module.device_count()
    return False


def choose_precision(precision: str, device: torch.device) -> str:
    """``auto`` -> bf16 where the device multiplies it at full speed, else fp32."""
    if precision != AUTO:
        choose_dtype(precision)
        return precision
    return "bf16" if _fast_bf16(device) else "fp32"


def _fast_bf16(device: torch.device) -> bool:
    import torch

    if device.type == "cpu":
        known = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
        return bool(known is not None and known())
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "xpu"


def choose_dtype(precision: str = "fp32") -> torch.dtype:
    """``fp32``, ``bf16`` or ``fp16`` -> the torch type of the weights."""
    import torch

    if precision not in PRECISIONS:
        known = ", ".join((AUTO, *PRECISIONS))
        raise UserError(f"'{precision}' is not a precision", f"use {known}")
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
