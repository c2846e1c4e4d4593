"""Less memory, by the public options of diffusers: offloading, and weights of eight bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from m2m_adapters.errors import UserError

if TYPE_CHECKING:
    import torch

OFFLOADS = ("none", "model", "sequential")
QUANTIZED = ("none", "fp8", "int8")


def check_memory(offload: str, quantize: str) -> None:
    if offload not in OFFLOADS:
        raise UserError(f"'{offload}' is not a way to offload", f"use {', '.join(OFFLOADS)}")
    if quantize not in QUANTIZED:
        raise UserError(f"'{quantize}' is not a way to quantize", f"use {', '.join(QUANTIZED)}")
    if quantize == "int8":
        try:
            import torchao  # noqa: F401
        except ImportError as error:
            raise UserError(
                "int8 weights need torchao", "pip install torchao, or use fp8"
            ) from error


def loading_options(quantize: str, backbone: str) -> dict[str, Any]:
    """Keywords of ``from_pretrained``: the denoiser's linear layers in int8."""
    if quantize != "int8":
        return {}
    from diffusers import PipelineQuantizationConfig, TorchAoConfig
    from torchao.quantization import Int8WeightOnlyConfig

    weights = TorchAoConfig(Int8WeightOnlyConfig())
    return {"quantization_config": PipelineQuantizationConfig(quant_mapping={backbone: weights})}


def fit_into_memory(
    pipe: Any, backbone: str, *, device: torch.device, dtype: torch.dtype, offload: str,
    quantize: str,
) -> None:  # fmt: skip
    """Place a loaded pipeline. fp8: weights are kept so, and widened layer by layer."""
    import torch

    if quantize == "fp8":
        getattr(pipe, backbone).enable_layerwise_casting(
            storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype
        )
    if offload == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        pipe.to(device)
