"""``onnx``: the projector alone, or tokens to vectors in one graph; checked in onnxruntime."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from m2m_adapters._internal.files import whole_file
from m2m_adapters._internal.folders import whole_folder
from m2m_adapters.errors import UserError
from m2m_adapters.exporters.onnx_graphs import (
    projector_graph,
    source_and_tokenizer,
    states_graph,
    token_graph,
)
from m2m_adapters.exporters.onnx_precision import PRECISIONS, check_precision, lower
from m2m_adapters.exporters.source import in_fp32, source_prompt
from m2m_adapters.exporters.verify import PROBES, Exported, compare, source_probes
from m2m_adapters.interfaces import Vectors

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

    from m2m_adapters.artifact.adapter import Adapter


def export_projector(adapter: Adapter, out: Path, precision: str = "fp32") -> Exported:
    """One file: ``vectors`` float32 ``[n, d_in]`` -> ``projected`` float32 ``[n, d_out]``.

    At token level: ``states`` float32 ``[n, tokens, d_in]`` and ``mask`` bool ``[n, tokens]``, True
    where a token is.
    """
    onnx = library()
    check_precision(precision)
    if adapter.level == "token":
        graph, (inputs, ours) = states_graph(adapter), _states_probe(adapter)
    else:
        graph = projector_graph(adapter)
        vectors = source_probes(adapter.projector.shape.d_in)
        inputs, ours = {"vectors": vectors}, adapter.project(vectors)
    with whole_file(out) as temporary:
        onnx.save(lower(graph, precision, products=False), str(temporary))
        onnx.checker.check_model(str(temporary))
        exported = open_session(temporary).run(None, inputs)[0]
        return _compare("onnx-projector", out, ours, exported, precision)


def _states_probe(adapter: Adapter) -> tuple[dict[str, npt.NDArray[np.generic]], Vectors]:
    """(token states of several lengths and their mask, what the projector makes of them)."""
    from m2m_adapters.projectors.rows import TokenStates

    lengths = (1, 2, 3, 5, 8, 13, 21)
    rows = source_probes(adapter.projector.shape.d_in)
    states = np.zeros((len(lengths), max(lengths), rows.shape[1]), np.float32)
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    for text, length in enumerate(lengths):
        states[text, :length] = rows[np.arange(text, text + length) % len(rows)]
    parts = [states[text, :length] for text, length in enumerate(lengths)]
    return {"states": states, "mask": mask}, adapter.projector.encode(TokenStates.join(parts))


def export(adapter: Adapter, out: Path, precision: str = "fp32") -> Exported:
    """A folder: ``model.onnx`` (``input_ids``, ``attention_mask`` -> ``vectors``), a tokenizer.

    Batch and length are free. ``encoder.json`` says how texts become tokens.
    """
    onnx = library()
    check_precision(precision)
    adapter = in_fp32(adapter)
    model, tokenizer = source_and_tokenizer(adapter)
    graph = token_graph(adapter, model, tokenizer)
    limit = int(model.max_seq_length or tokenizer.model_max_length)
    description = {
        "inputs": {"input_ids": "int64 [n, tokens]", "attention_mask": "int64 [n, tokens]"},
        "output": {"vectors": f"float32 [n, {adapter.dim}]"},
        "max_tokens": limit,
        "prompt": source_prompt(adapter, model),
        "precision": precision,
        "adapter": adapter.digest,
    }
    texts = list(PROBES)
    ours = adapter.encode(texts)
    with whole_folder(out) as temporary:
        large = graph.ByteSize() > (1 << 31) - (1 << 24) and precision == "fp32"
        onnx.save(
            lower(graph, precision),
            str(temporary / "model.onnx"),
            save_as_external_data=large,  # a protobuf message ends at 2 GiB
            location="model.onnx_data" if large else None,
        )
        tokenizer.save_pretrained(temporary)
        (temporary / "encoder.json").write_text(
            json.dumps(description, indent=2, ensure_ascii=False)
        )
        onnx.checker.check_model(str(temporary / "model.onnx"))
        return _compare("onnx", out, ours, run(temporary, texts), precision)


def run(folder: str | Path, texts: list[str]) -> Vectors:
    """What a reader of the folder has to do: onnxruntime and the tokenizer, nothing of ours."""
    from transformers import AutoTokenizer

    folder = Path(folder)
    description = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = tokenizer(
        [description["prompt"] + text for text in texts],
        padding=True,
        truncation=True,
        max_length=description["max_tokens"],
        return_tensors="np",
    )
    wanted = {name: tokens[name].astype(np.int64) for name in ("input_ids", "attention_mask")}
    return np.asarray(open_session(folder / "model.onnx").run(None, wanted)[0], np.float32)


def library() -> ModuleType:
    try:
        import onnx
        import onnxruntime  # noqa: F401  an export that cannot be checked is not made
    except ImportError as error:
        raise UserError(
            f"this export needs {error.name}", 'pip install "m2m-adapters[export]"'
        ) from error
    package: ModuleType = onnx
    return package


def open_session(path: Path) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _compare(name: str, out: Path, ours: Vectors, exported: Vectors, precision: str) -> Exported:
    angle, tolerance, note = PRECISIONS[precision]
    return compare(
        name, out, ours, exported, tolerance, angle=angle, notes=[note] if note else None
    )
