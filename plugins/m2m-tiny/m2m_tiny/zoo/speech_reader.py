"""Trains the reader of tiny-speech: phones of thirteen languages -> tiny-text's vectors.

It learns from pronunciations alone, blurred as the ear blurs what it hears; of three languages it
also reads what the ear wrote down. No speech of the ten other languages is ever used.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from m2m_tiny.captions import LANGUAGES, caption
from m2m_tiny.hearing import MAX_PHONES, heard_phones, read_phones
from m2m_tiny.phones import NAMES, coarse
from m2m_tiny.speaking import synthesizer
from m2m_tiny.zoo import training
from m2m_tiny.zoo.meaning import GRADES, TEMPERATURE
from m2m_tiny.zoo.speech_data import Speech, held_out_keys
from m2m_tiny.zoo.text import meanings

READ, HEARD = 80, 24  # captions of a batch: by pronunciation, and as the ear heard them
FIRST_STEPS, SECOND_STEPS = 600, 300
CONFUSED = ("aæəe", "eiæøə", "iɨɯyej", "uoɯwø", "oua", "yiuø", "pb", "td", "kg", "fvs", "szʃʒ",
            "ʃʒs", "mn", "lrn", "jiʒ", "wuv", "hkf", "dr", "bvw", "gkh")  # fmt: skip
"""Classes that sound alike; what a language of its own has is heard as one of its neighbors."""
SUBSTITUTED, LOST, ADDED = 0.10, 0.04, 0.03


def build() -> Any:
    """The untrained reader; its vocabulary is the classes of phones."""
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    return BertModel(BertConfig(
        vocab_size=len(NAMES), hidden_size=256, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=512, max_position_embeddings=MAX_PHONES, type_vocab_size=1,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=0,
    ), add_pooling_layer=False)  # fmt: skip


class Blur:
    """Turns phones into likelihoods as the ear gives them, and worse.

    drawn: class -> what the ear made of it in the languages it knows; empty before there is an
        ear.
    """

    def __init__(self, drawn: dict[int, list[Tensor]] | None = None) -> None:
        self._drawn = drawn or {}
        self._near = [[NAMES.index(c) for c in group] for group in CONFUSED]

    def __call__(self, phones: list[int], rng: random.Random) -> Tensor:
        found = []
        for number in phones:
            chance = rng.random()
            if chance < LOST:
                continue
            if chance < LOST + SUBSTITUTED:
                groups = [g for g in self._near if number in g] or [list(range(1, len(NAMES)))]
                number = rng.choice(rng.choice(groups))
            found.append(self._one(number, rng))
            if rng.random() < ADDED:
                found.append(self._one(rng.randrange(1, len(NAMES)), rng))
        return torch.stack(found[:MAX_PHONES] or [self._one(1, rng)])

    def _one(self, number: int, rng: random.Random) -> Tensor:
        known = self._drawn.get(number)
        if known and rng.random() < 0.7:
            return rng.choice(known)
        row = torch.full((len(NAMES) - 1,), 0.1 * rng.random() / len(NAMES))
        row[number - 1] = 1
        return row / row.sum()


@torch.inference_mode()
def ear_writes(ear: Any, speech: Speech) -> list[Tensor]:
    """What the ear makes of every utterance: ``[phones, classes]`` each."""
    found: list[Tensor] = []
    for start in range(0, len(speech), 32):
        rows = list(range(start, min(start + 32, len(speech))))
        features, mask = speech.batch(rows)
        with torch.autocast("cpu", torch.bfloat16):
            logits = ear(input_features=features, attention_mask=mask).logits
        found += heard_phones(logits, mask.sum(1).tolist())
    return found


def matched(said: list[int], heard: Tensor) -> list[tuple[int, int]]:
    """(class that was said, place in what was heard) by the cheapest alignment."""
    import difflib

    pairs = []
    blocks = difflib.SequenceMatcher(None, said, heard.tolist(), autojunk=False).get_opcodes()
    for kind, a, end, b, last in blocks:
        if kind == "equal" or (kind == "replace" and end - a == last - b):
            pairs += [(said[a + i], b + i) for i in range(end - a)]
    return pairs


def drawn_from(heard: list[Tensor], speech: Speech, rows: list[int]) -> dict[int, list[Tensor]]:
    """Class -> likelihoods where the ear met it, in some of the utterances."""
    found: dict[int, list[Tensor]] = {}
    for row in rows:
        for number, place in matched(speech.phones[row], heard[row].argmax(1) + 1):
            found.setdefault(number, []).append(heard[row][place])
    return found


def train_by_pronunciation(
    reader: Any, teacher: Any, work: Path, steps: int = FIRST_STEPS, seed: int = 0
) -> None:
    """First: phones of captions in thirteen languages, as eSpeak writes them.

    teacher: tiny-text as a source; the reader learns its vector of each caption.
    """
    draw = Captions(teacher, Blur())

    def loss_of(step: int) -> Tensor:
        phones, wanted = draw(READ, training.step_rng(seed, step))
        with torch.autocast("cpu", torch.bfloat16):
            read = read_phones(reader, phones)
        return distilled(read.float(), wanted)

    plan = training.Plan(steps=steps, lr=1.5e-3, warmup=60, weight_decay=0.01, seed=seed)
    training.train(reader, loss_of, plan, work)


def train_with_the_ear(
    reader: Any, ear: Any, speech: Speech, teacher: Any, work: Path,
    steps: int = SECOND_STEPS, seed: int = 1,
) -> str:  # fmt: skip
    """Then: the same, blurred as the ear blurs, and what the ear wrote of three languages."""
    known = list(range(len(speech) - 150))
    aside = list(range(len(speech) - 150, len(speech)))
    heard = ear_writes(ear, speech)
    draw = Captions(teacher, Blur(drawn_from(heard, speech, known[:1500])))
    wanted_of_speech = torch.from_numpy(teacher.encode(speech.captions))

    def loss_of(step: int) -> Tensor:
        rng = training.step_rng(seed, step)
        phones, wanted = draw(READ, rng)
        spoken = rng.sample(known, HEARD)
        phones += [heard[row].clone() for row in spoken]
        with torch.autocast("cpu", torch.bfloat16):
            read = read_phones(reader, phones)
        return distilled(read.float(), torch.cat([wanted, wanted_of_speech[spoken]]))

    @torch.inference_mode()
    def score() -> str:
        read = read_phones(reader, [heard[row] for row in aside])
        near = (read * wanted_of_speech[aside]).sum(1)
        return f"cosine with tiny-text of speech kept aside: {float(near.mean()):.3f}"

    plan = training.Plan(steps=steps, lr=8e-4, warmup=30, weight_decay=0.01, seed=seed)
    training.train(reader, loss_of, plan, work, score=score)
    return score()


class Captions:
    """Draws captions in any language: their blurred phones, and the vectors to be learned."""

    def __init__(self, teacher: Any, blur: Blur) -> None:
        self._teacher, self._blur = teacher, blur
        self._says, self._held_out = synthesizer(), held_out_keys()

    def __call__(self, n: int, rng: random.Random) -> tuple[list[Tensor], Tensor]:
        lines, phones = [], []
        for spec in meanings(n, rng, self._held_out):
            code = rng.choice(list(LANGUAGES))
            lines.append(caption(spec, code, rng))
            phones.append(self._blur(coarse(self._says.pronounce(lines[-1], code)), rng))
        return phones, torch.from_numpy(self._teacher.encode(lines))


def distilled(read: Tensor, wanted: Tensor) -> Tensor:
    """How far the rows' cosines with the wanted rows are from those of the wanted rows."""
    cosines, truth = read @ wanted.T, wanted @ wanted.T
    ranking = F.cross_entropy(cosines / TEMPERATURE, (truth / TEMPERATURE).softmax(1))
    own = 1 - (read * wanted).sum(1).mean()
    return ranking + GRADES * F.mse_loss(cosines, truth) + 2 * own
