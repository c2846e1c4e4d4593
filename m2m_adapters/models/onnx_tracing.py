"""A torch module as an ONNX model, through torch's own exporter."""

from __future__ import annotations

import logging
import re
import warnings
from typing import Any

from m2m_adapters.errors import UserError

OPSET = 20
INSTALL = 'pip install "m2m-adapters[export]"'


def traced(module: Any, example: dict[str, Any], output: str, *, remedy: str) -> Any:
    """The module as an ONNX model; the first two dimensions of its inputs are free.

    remedy: what a user can do where torch cannot export the module.
    """
    import torch

    free = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module,
                tuple(example.values()),
                dynamo=True,
                dynamic_shapes=dict.fromkeys(example, free),
                input_names=list(example),
                output_names=[output],
                opset_version=OPSET,
                verbose=False,
            )
    except ImportError as error:
        raise UserError(f"ONNX export needs {error.name}", INSTALL) from error
    except Exception as error:
        reason = re.sub(r"\x1b\[\d*m", "", " ".join(str(error).split()))[:200]
        raise UserError(
            f"torch cannot export the graph of this source ({reason})", remedy
        ) from error
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto
