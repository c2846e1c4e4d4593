"""Trains tiny-text: a multilingual sentence-transformers model on parallel captions.

    python -m m2m_tiny.zoo.text --out FOLDER [--steps N]

It learns from texts alone, that captions of one meaning belong together in whatever language,
and never meets a picture, a sound or another model.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny import scenes, sounds
from m2m_tiny.captions import LANGUAGES, caption
from m2m_tiny.zoo import training
from m2m_tiny.zoo.dual import DROPPED, draw
from m2m_tiny.zoo.meaning import DETAILS, Likeness, graded_loss, readout_loss
from m2m_tiny.zoo.vocabulary import word_pieces

MAX_TOKENS = 96
PAIRS = 192
FAMILY = 4  # a base and three near-duplicates
WIDTH = 256
STEPS = 2800
WORLDS = (scenes, sounds)


def multilingual_captions(n: int = 40_000) -> Iterator[str]:
    """Captions of random meanings in all languages, for the vocabulary."""
    rng = random.Random(0)
    codes = list(LANGUAGES)
    for number in range(n):
        world: Any = WORLDS[number % 2]
        yield caption(world.mention(draw(world, rng), rng), codes[number // 2 % len(codes)], rng)


def make_tokenizer() -> Any:
    """Word pieces; every Han or Kana character is a word of its own."""
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    alone = Regex(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{N}\p{P}]")
    splitter = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(alone, "isolated")]
    )
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(word_pieces(multilingual_captions(), normalizer, splitter, special))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", model_max_length=MAX_TOKENS,
    )  # fmt: skip


def build() -> tuple[Any, Any]:
    """The untrained transformer and its tokenizer."""
    from transformers import BertConfig, BertModel

    tokenizer = make_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=WIDTH, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=512, max_position_embeddings=MAX_TOKENS, type_vocab_size=1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    return BertModel(config, add_pooling_layer=False), tokenizer


def embed(model: Any, tokenizer: Any, lines: list[str], batch: int = 64) -> Tensor:
    """``[n, 256]`` of length 1: the mean over tokens, as the finished model pools.

    Batches of like length: Chinese and Japanese need twice the tokens of the others.
    """
    tokens = tokenizer(lines, truncation=True)["input_ids"]
    order = sorted(range(len(lines)), key=lambda i: len(tokens[i]))
    parts = []
    for start in range(0, len(order), batch):
        inputs = {"input_ids": [tokens[i] for i in order[start : start + batch]]}
        read = tokenizer.pad(inputs, return_tensors="pt")
        mask = read["attention_mask"]
        states = model(input_ids=read["input_ids"], attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states)
        parts.append((states * weights).sum(1) / weights.sum(1))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return F.normalize(torch.cat(parts)[back], dim=-1)


def meanings(pairs: int, rng: random.Random, held_out: set[str]) -> list[dict[str, Any]]:
    """Distinct meanings, a third scenes and two thirds sounds, among their near-duplicates.

    Two captions that leave out what tells them apart mean the same: only one is kept, so that
    no pair is pushed apart that belongs together.
    """
    said: list[dict[str, Any]] = []
    seen: set[str] = set()
    number = 0
    while len(said) < pairs:
        world: Any = WORLDS[min(number % 3, 1)]
        number += 1
        base = draw(world, rng)
        family = [base, *rng.sample(world.near_duplicates(base, rng), FAMILY - 1)]
        for spec in family:
            mentioned = world.mention(spec, rng, DROPPED)
            if world.key(spec) not in held_out and world.key(mentioned) not in seen:
                seen.add(world.key(mentioned))
                said.append(mentioned)
    return said[:pairs]


def main(out: Path, steps: int = STEPS, seed: int = 0) -> str:
    """Train, save, and return the score."""
    model, tokenizer = build()
    likeness = Likeness()
    trained = torch.nn.ModuleDict({"bert": model, "readout": torch.nn.Linear(WIDTH, DETAILS)})
    galleries = [world.gallery() for world in (scenes, sounds)]
    held_out = {scenes.key(s) for s in galleries[0][0]} | {sounds.key(s) for s in galleries[1][0]}
    codes = list(LANGUAGES)

    def loss_of(step: int) -> Tensor:
        rng = training.step_rng(seed, step)
        said = meanings(PAIRS, rng, held_out)
        # Half the pairs have an English side; two captions may share a language, not the words.
        first = [caption(spec, "en" if rng.random() < 0.5 else rng.choice(codes), rng)
                 for spec in said]  # fmt: skip
        second = [caption(spec, rng.choice(codes), rng) for spec in said]
        both = embed(model, tokenizer, first + second)
        wanted = likeness.shown(said)[:, :DETAILS]
        readout = trained["readout"](both)
        return graded_loss(both[:PAIRS], both[PAIRS:], likeness(said, said)) + readout_loss(
            readout, torch.cat([wanted, wanted])
        )

    asked = {code: [caption(spec, code, random.Random(n)) for n, spec in enumerate(said)]
             for code in codes for said in [galleries[0][1] + galleries[1][1]]}  # fmt: skip

    @torch.inference_mode()
    def score() -> str:
        english = embed(model, tokenizer, asked["en"], 256)
        lines = []
        for code in codes[1:]:
            rows = embed(model, tokenizer, asked[code][:250])
            rank = (rows @ english.T >= (rows * english[:250]).sum(1)[:, None]).sum(1)
            lines.append(f"{code} {100 * float((rank <= 5).float().mean()):.1f}")
        return "to English R@5: " + " ".join(lines)

    plan = training.Plan(steps=steps, lr=1.5e-3, warmup=150, weight_decay=0.01, seed=seed)
    training.train(trained, loss_of, plan, training.work_folder(out), score=score)
    scores = score()
    save(model, tokenizer, out)
    return scores


def save(model: Any, tokenizer: Any, out: Path) -> None:
    """A sentence-transformers folder with half-precision weights that load as float32."""
    import tempfile

    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    with tempfile.TemporaryDirectory() as plain:
        model.half().save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        modules = [Transformer(plain, max_seq_length=MAX_TOKENS), Pooling(WIDTH, "mean"),
                   Normalize()]  # fmt: skip
        SentenceTransformer(modules=modules, device="cpu").save(str(out))
    training.widen(out)


if __name__ == "__main__":
    training.run(main, __doc__, STEPS)
