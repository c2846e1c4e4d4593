"""``immich``: source and projector as the text tower of a CLIP folder that Immich loads.

Immich pads to a fixed length and sends token ids alone, so the mask is computed inside the graph.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m2m_adapters._internal.folders import whole_folder
from m2m_adapters.errors import UserError
from m2m_adapters.exporters.onnx import library, open_session
from m2m_adapters.exporters.onnx_graphs import source_and_tokenizer, token_graph
from m2m_adapters.exporters.onnx_precision import PRECISIONS, check_precision, lower
from m2m_adapters.exporters.source import source_prompt
from m2m_adapters.exporters.verify import PROBES, Exported, compare
from m2m_adapters.interfaces import Vectors

if TYPE_CHECKING:
    from onnx import ModelProto
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

    from m2m_adapters.artifact.adapter import Adapter

MASKED = ("LABSE-Vit-", "XLM-Roberta-Large-Vit-")
"""Beginnings of the names (M-CLIP) to which Immich sends ``input_ids`` and ``attention_mask``."""

LARGEST = (1 << 31) - (1 << 24)


def export(
    adapter: Adapter, out: Path, name: str = "ViT-B-32__openai", precision: str = "fp32"
) -> Exported:
    """A folder: ``config.json``, ``textual/`` with model, tokenizer and its configuration.

    name: the model that Immich is set to, whose photo index stays in use.
    """
    onnx = library()
    check_precision(precision)
    if not name or "/" in name or "\\" in name:
        raise UserError(f"'{name}' is not the name of an Immich model", "e.g. ViT-B-32__openai")
    model, tokenizer = source_and_tokenizer(adapter)
    if not getattr(tokenizer, "is_fast", False) or tokenizer.pad_token is None:
        raise UserError(
            "Immich needs a tokenizer.json with a padding token, which this source lacks",
            "choose another source",
        )
    # The lengths of the models that are replaced, so that a config.json in place still fits.
    length = min(64 if "siglip" in name.lower() else 77, int(model.max_seq_length or 77))
    graph = token_graph(adapter, model, tokenizer)
    if precision == "fp32" and graph.ByteSize() > LARGEST:
        raise UserError("an ONNX file cannot be larger than 2 GiB", "add --precision fp16")
    lowered = lower(graph, precision)
    masked = name.startswith(MASKED)
    _fixed_inputs(lowered, length, int(tokenizer.pad_token_id), masked)
    config = {"embed_dim": adapter.dim, "text_cfg": {"context_length": length}}
    with whole_folder(out) as temporary:
        textual = temporary / "textual"
        textual.mkdir()
        onnx.save(lowered, str(textual / "model.onnx"))
        onnx.checker.check_model(str(textual / "model.onnx"))
        _write_tokenizer(tokenizer, source_prompt(adapter, model), textual)
        (temporary / "config.json").write_text(json.dumps(config, indent=2))
        texts = _comparable(textual, length)
        angle, tolerance, note = PRECISIONS[precision]
        notes = [
            f"copy it to clip/{name} in Immich's model cache; where that folder exists, replace "
            "textual/ only",
            *([note] if note else []),
        ]
        ours, exported = adapter.encode(texts), run(temporary, texts, masked)
        return compare("immich", out, ours, exported, tolerance, angle=angle, notes=notes)


def _fixed_inputs(model: ModelProto, length: int, pad: int, masked: bool) -> None:
    """Give the graph Immich's inputs: int32 ``[1, length]``; without a mask, compute it."""
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    del graph.input[:]
    outer = ["input_ids", "attention_mask"] if masked else ["text"]
    if masked:  # the inner names are taken by what the graph reads
        inner = {"input_ids": "m2m_ids", "attention_mask": "m2m_mask"}
        for node in graph.node:
            node.input[:] = [inner.get(name, name) for name in node.input]
        new = [
            helper.make_node("Cast", [name], [inner[name]], to=TensorProto.INT64) for name in outer
        ]
    else:
        graph.initializer.append(numpy_helper.from_array(np.array(pad, np.int64), "m2m_pad"))
        new = [
            helper.make_node("Cast", ["text"], ["input_ids"], to=TensorProto.INT64),
            helper.make_node("Equal", ["input_ids", "m2m_pad"], ["m2m_padding"]),
            helper.make_node("Not", ["m2m_padding"], ["m2m_words"]),
            helper.make_node("Cast", ["m2m_words"], ["attention_mask"], to=TensorProto.INT64),
        ]
    for place, node in enumerate(new):
        graph.node.insert(place, node)
    for name in outer:
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.INT32, [1, length]))


def _write_tokenizer(tokenizer: PreTrainedTokenizerBase, prompt: str, folder: Path) -> None:
    """tokenizer.json, which puts the source's prompt before every text itself."""
    from tokenizers import Tokenizer, normalizers

    tokenizer.save_pretrained(folder)
    if prompt:
        path = str(folder / "tokenizer.json")
        plain = Tokenizer.from_file(path)
        before = [normalizers.Prepend(prompt)]
        if plain.normalizer is not None:
            before.append(plain.normalizer)
        plain.normalizer = normalizers.Sequence(before)
        plain.save(path)


def _tokenizer(folder: Path, length: int) -> Tokenizer:
    from tokenizers import Tokenizer

    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    pad = config["pad_token"]
    pad = pad["content"] if isinstance(pad, dict) else pad
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding(length=length, pad_token=pad, pad_id=tokenizer.token_to_id(pad))
    tokenizer.enable_truncation(max_length=length)
    return tokenizer


def _comparable(folder: Path, length: int) -> list[str]:
    """Probes that Immich does not cut, and whose spaces it does not change."""
    tokenizer = _tokenizer(folder, length)
    same = [text for text in PROBES if text and " ".join(text.split()) == text]
    return [text for text in same if not tokenizer.encode(text).overflowing]


def run(folder: Path, texts: list[str], masked: bool = False) -> Vectors:
    """What Immich does with the folder."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = _tokenizer(folder / "textual", int(config["text_cfg"]["context_length"]))
    session = open_session(folder / "textual" / "model.onnx")
    vectors = []
    for text in texts:
        tokens = tokenizer.encode(" ".join(text.split()))
        ids = np.array([tokens.ids], np.int32)
        mask = np.array([tokens.attention_mask], np.int32)
        inputs = {"input_ids": ids, "attention_mask": mask} if masked else {"text": ids}
        vectors.append(session.run(None, inputs)[0][0])
    return np.asarray(vectors, np.float32)
