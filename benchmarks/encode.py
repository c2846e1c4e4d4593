"""Encoding captions: one at a time, SentenceTransformer.encode, ours, and the floor.

The floor is what no encoder can do better than with this precision and these libraries: the matrix
products of the model's linear layers alone, for just as many tokens as there are, none of them
padding. All are timed in turn, again and again, since machines that are shared change their pace.

The model is as deep and wide as paraphrase-multilingual-mpnet-base-v2 (XLM-R base: 12 layers, 768
wide), built from its config with random weights: speed does not depend on them, nor on how many
tokens there are to look up.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from measure import Report, arguments, spread

if TYPE_CHECKING:
    from m2m_adapters import TextEncoder

FLOOR = "floor: the matrix products alone"
COMPILED, INT8 = "fp32, compiled", "onnx-int8"
OURS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "fp32": {"precision": "fp32"},
    INT8: {"backend": INT8},
    COMPILED: {"precision": "fp32", "compile": True},
}


def build(folder: Path, width: int = 768, layers: int = 12) -> None:
    """A sentence-transformers folder, as large as XLM-R base by default, with a small tokenizer."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast, XLMRobertaConfig, XLMRobertaModel

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=["<s>", "<pad>", "</s>", "<unk>"],
                                  show_progress=False)  # fmt: skip
    tokenizer.train_from_iterator(captions(5000), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>",
        unk_token="<unk>", cls_token="<s>", sep_token="</s>", model_max_length=128,
    )  # fmt: skip
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=len(fast), hidden_size=width, num_hidden_layers=layers,
        num_attention_heads=width // 64, intermediate_size=4 * width,
        max_position_embeddings=514, pad_token_id=1,
    )  # fmt: skip
    plain = folder / "plain"
    XLMRobertaModel(config).save_pretrained(plain)
    fast.save_pretrained(plain)
    modules = [Transformer(str(plain), max_seq_length=128), Pooling(width, "mean")]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "model"))


def captions(n: int, seed: int = 0) -> list[str]:
    """Sentences as long as captions of photographs: 5 to 40 words, 11 at the median."""
    words = ("a the man woman dog cat on in with red blue street riding holding standing near two "
             "people table plate of food and large small white black train tracks field grass "
             "sitting next to wooden bench while looking at camera").split()  # fmt: skip
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(2.4, 0.35, n).round().astype(int), 5, 40)
    return [" ".join(rng.choice(words, length)) for length in lengths]


class Floor:
    """The linear layers of such a model, nothing between them, on ``tokens`` rows."""

    ROWS = 512  # at once, on a CPU as many as its caches like; a GPU wants more

    def __init__(self, tokens: int, config, device: torch.device) -> None:
        self.tokens = tokens
        self.rows = self.ROWS if device.type == "cpu" else tokens
        wide, inner = config.hidden_size, config.intermediate_size
        widths = [(wide, wide)] * 4 + [(wide, inner), (inner, wide)]
        self.weights = [
            torch.randn(o, i, device=device) for i, o in widths * config.num_hidden_layers
        ]
        self.inputs = {w: torch.randn(self.rows, w, device=device) for w in (wide, inner)}

    @property
    def operations(self) -> int:
        return sum(2 * self.tokens * weight.numel() for weight in self.weights)

    def __call__(self) -> None:
        with torch.inference_mode():
            for start in range(0, self.tokens, self.rows):
                rows = min(self.rows, self.tokens - start)
                for weight in self.weights:
                    torch.nn.functional.linear(self.inputs[weight.shape[1]][:rows], weight)
        if torch.cuda.is_available():
            torch.cuda.synchronize()


def main() -> None:
    asked = arguments(
        __doc__,
        sentences={"type": int, "default": 512},
        rounds={"type": int, "default": 5},
        device={"default": "auto"},
        model={
            "default": "",
            "help": "a folder of sentence-transformers, in place of random weights",
        },
        width={"type": int, "default": 768, "help": "of the model with random weights"},
        layers={"type": int, "default": 12},
        processor={
            "action": "store_true",
            "help": "seconds of processor time, where others use the machine, too",
        },
        compile={"action": "store_true", "help": "with torch.compile, too"},
    )
    from sentence_transformers import SentenceTransformer

    texts = captions(asked.sentences)
    report = report_of(asked)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["M2M_CACHE"] = f"{folder}/cache"  # the int8 file of this model is of no more use
        if not asked.model:
            build(Path(folder), asked.width, asked.layers)
        path = asked.model or f"{folder}/model"
        sources = sources_of(path, asked)
        default, ours = sources["m2m-adapters, defaults"], sources["m2m-adapters, fp32"]
        library = SentenceTransformer(path, device=str(ours.device))
        exact = ours.encode(texts)
        reference = library.encode(texts, normalize_embeddings=True)
        config = library[0].auto_model.config
        floor = Floor(sum(map(len, ours.tokenize(texts))), config, ours.device)
        sample = texts[:: max(1, len(texts) // 64)]
        ways = {
            "one at a time": lambda: [library.encode([text]) for text in sample],
            "SentenceTransformer.encode, defaults": lambda: library.encode(texts),
            **{name: partial(source.encode, texts) for name, source in sources.items()},
            FLOOR: floor,
        }
        nearness = {
            "SentenceTransformer.encode, defaults": least_cosine(reference, exact),
            **{name: least_cosine(one.encode(texts), exact) for name, one in sources.items()},
        }
        report.notes.append(f"the default computes in {default.provenance['precision']} here")
        took = in_turn(ways, asked.rounds, asked.processor)
        took["one at a time"] = [s * len(texts) / len(sample) for s in took["one at a time"]]
        base = took["SentenceTransformer.encode, defaults"]
        for name, times in took.items():
            report.add(
                name, spread([len(texts) / s for s in times]), f"{quotient(base, times):.2f}x",
                f"{quotient(took[FLOOR], times):.0%}",
                nearness.get(name, ""),
            )  # fmt: skip
        mine, single = took["m2m-adapters, fp32"], took["one at a time"]
        report.notes += [
            "ratios are medians over the rounds, each within its round",
            f"ours is {quotient(single, mine):.1f}x one at a time",
            f"the floor does {floor.operations / statistics.median(took[FLOOR]) / 1e9:,.0f} "
            "thousand million operations a second",
        ]
    report.finish(asked)


def report_of(asked: argparse.Namespace) -> Report:
    """The empty table, under a title and a command that say what is measured."""
    shape, title = (asked.width, asked.layers), "Encode"
    if asked.model:
        title = f"Encode, {Path(asked.model).name}"
    elif shape != (768, 12):
        title = f"Encode, {asked.layers} layers of {asked.width}"
    return Report(
        title,
        f"python benchmarks/encode.py --sentences {asked.sentences}"
        + (" --compile" if asked.compile else "")
        + (" --processor" if asked.processor else "")
        + (f" --width {asked.width} --layers {asked.layers}" if shape != (768, 12) else "")
        + (f" --model {Path(asked.model).name}" if asked.model else ""),
        ("how", "sentences/s", "ratio to SentenceTransformer.encode", "share of the floor",
         "least cosine to fp32"),
    )  # fmt: skip


def sources_of(path: str, asked: argparse.Namespace) -> dict[str, TextEncoder]:
    """Our ways to load the model, as far as this machine has what they need."""
    import m2m_adapters as m2m

    return {
        f"m2m-adapters, {name}": m2m.load_source(f"st:{path}", device=asked.device, **options)
        for name, options in OURS.items()
        if (name != INT8 or importable("onnxruntime")) and (name != COMPILED or asked.compile)
    }


def importable(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def in_turn(
    ways: dict[str, Callable[[], object]], rounds: int, processor: bool = False
) -> dict[str, list[float]]:
    """Seconds of every way in every round, after one that does not count.

    processor: of all threads of this process, which others cannot slow down by waiting.
    """
    clock = time.process_time if processor else time.perf_counter
    took: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, run in ways.items():
            began = clock()
            run()
            if number:
                took[name].append(clock() - began)
    return took


def quotient(slow: list[float], fast: list[float]) -> float:
    """How many times less time: the median of the rounds."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def least_cosine(rows: np.ndarray, exact: np.ndarray) -> str:
    return f"{float((rows * exact).sum(1).min()):.6f}"


if __name__ == "__main__":
    main()
