"""Encoding captions: one at a time, SentenceTransformer.encode, and ours.

The model is as deep and wide as paraphrase-multilingual-mpnet-base-v2 (XLM-R base: 12 layers, 768
wide), built from its config with random weights: speed does not depend on them, nor on how many
tokens there are to look up.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import numpy as np
from measure import Report, arguments, seconds, spread


def build(folder: Path) -> None:
    """An XLM-R-base-sized sentence-transformers folder with a small tokenizer."""
    import torch
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
        vocab_size=len(fast), hidden_size=768, num_hidden_layers=12, num_attention_heads=12,
        intermediate_size=3072, max_position_embeddings=514, pad_token_id=1,
    )  # fmt: skip
    plain = folder / "plain"
    XLMRobertaModel(config).save_pretrained(plain)
    fast.save_pretrained(plain)
    modules = [Transformer(str(plain), max_seq_length=128), Pooling(768, "mean")]
    SentenceTransformer(modules=modules, device="cpu").save(str(folder / "model"))


def captions(n: int, seed: int = 0) -> list[str]:
    """Sentences as long as captions of photographs: 5 to 40 words, 11 at the median."""
    words = ("a the man woman dog cat on in with red blue street riding holding standing near two "
             "people table plate of food and large small white black train tracks field grass "
             "sitting next to wooden bench while looking at camera").split()  # fmt: skip
    rng = np.random.default_rng(seed)
    lengths = np.clip(rng.lognormal(2.4, 0.35, n).round().astype(int), 5, 40)
    return [" ".join(rng.choice(words, length)) for length in lengths]


def quick_in_bf16(device) -> bool:
    """Whether the hardware computes in bf16 itself."""
    flags = Path("/proc/cpuinfo")
    told = flags.read_text() if flags.exists() else ""
    return device.type != "cpu" or "avx512_bf16" in told or "amx_bf16" in told


def main() -> None:
    told = arguments(__doc__, sentences={"type": int, "default": 512},
                     device={"default": "auto"})  # fmt: skip
    from sentence_transformers import SentenceTransformer

    import m2m_adapters as m2m

    texts = captions(told.sentences)
    report = Report(
        "Encode", f"python benchmarks/encode.py --sentences {told.sentences}",
        ("how", "sentences/s", "ratio to SentenceTransformer.encode", "least cosine to fp32"),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        path = f"{folder}/model"
        ours = m2m.load_source(f"st:{path}", device=told.device)
        library = SentenceTransformer(path, device=str(ours.device))
        some = texts[:64]
        single = [len(some) / s for s in seconds(lambda: [library.encode([t]) for t in some], 2)]
        base = [len(texts) / s for s in seconds(lambda: library.encode(texts))]
        mine = [len(texts) / s for s in seconds(lambda: ours.encode(texts))]
        exact = ours.encode(texts)
        reference = library.encode(texts, normalize_embeddings=True)

        def ratio(speeds: list[float]) -> str:
            return f"{statistics.median(speeds) / statistics.median(base):.2f}x"

        def nearness(rows: np.ndarray) -> str:
            return f"{float((rows * exact).sum(1).min()):.6f}"

        report.add("one at a time", spread(single), ratio(single), "")
        report.add("SentenceTransformer.encode, defaults", spread(base), "1x", nearness(reference))
        report.add("m2m-adapters, fp32", spread(mine), ratio(mine), "1")
        if quick_in_bf16(ours.device):
            half = m2m.load_source(f"st:{path}", device=told.device, precision="bf16")
            fast = [len(texts) / s for s in seconds(lambda: half.encode(texts))]
            close = nearness(half.encode(texts))
            report.add("m2m-adapters, bf16", spread(fast), ratio(fast), close)
        else:
            report.notes.append("no bf16: this CPU has no instructions for it and emulates them")
        report.notes.append(
            f"ours is {statistics.median(mine) / statistics.median(single):.1f}x one at a time"
        )
    report.finish(told)


if __name__ == "__main__":
    main()
