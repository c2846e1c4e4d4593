"""What all languages share: a spec and a table of templates -> a sentence.

A language file fills in :class:`Language`: how an object and a sound are named (with the
agreement and case its grammar wants) and the sentence patterns that tie them together.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
Event = dict[str, Any]


@dataclass(frozen=True)
class Language:
    """One language's words and patterns; every list holds paraphrases of one meaning.

    thing(obj, case, rng): noun phrase of an object in a case that ``relations`` names.
    relations: relation -> [(pattern with {a} and {b}, case of b)]; a stands in "nom".
    places: corner -> phrases, put into ``located`` patterns as {place}.
    sound(event, rng): noun phrase of a sound, with its number.
    """

    thing: Callable[[Object, str, random.Random], str]
    relations: dict[str, list[tuple[str, str]]]
    places: dict[str, list[str]]
    alone: list[str]
    located: list[str]
    row: list[str]
    column: list[str]
    sound: Callable[[Event, random.Random], str]
    heard: list[str]
    then_two: list[str]
    then_three: list[str]
    together: list[str]

    def caption(self, spec: dict[str, Any], rng: random.Random) -> str:
        """A sentence that says exactly what ``spec`` says."""
        text = self._sound(spec, rng) if "events" in spec else self._scene(spec, rng)
        return " ".join(text.split())

    def _scene(self, scene: dict[str, Any], rng: random.Random) -> str:
        objects = scene["objs"]
        if scene["kind"] == "one":
            a = self.thing(objects[0], "nom", rng)
            if scene["pos"] is None:
                return rng.choice(self.alone).format(a=a)
            return rng.choice(self.located).format(a=a, place=rng.choice(self.places[scene["pos"]]))
        if scene["kind"] == "two":
            first, second, relation = objects[0], objects[1], scene["rel"]
            # "a left of b" is also "b right of a".
            inverse = INVERSE.get(relation)
            if inverse is not None and rng.random() < 0.3:
                first, second, relation = second, first, inverse
            pattern, case = rng.choice(self.relations[relation])
            return pattern.format(a=self.thing(first, "nom", rng), b=self.thing(second, case, rng))
        a, b, c = (self.thing(obj, "nom", rng) for obj in objects)
        patterns = self.row if scene["order"] == "row" else self.column
        return rng.choice(patterns).format(a=a, b=b, c=c)

    def _sound(self, spec: dict[str, Any], rng: random.Random) -> str:
        events = [self.sound(event, rng) for event in spec["events"]]
        if len(events) == 1:
            return rng.choice(self.heard).format(a=events[0])
        if spec["link"] == "together":
            a, b = events if rng.random() < 0.5 else events[::-1]
            return rng.choice(self.together).format(a=a, b=b)
        if len(events) == 2:
            return rng.choice(self.then_two).format(a=events[0], b=events[1])
        return rng.choice(self.then_three).format(a=events[0], b=events[1], c=events[2])


INVERSE = {"left": "right", "right": "left", "above": "below", "below": "above"}


def words(*parts: str | None) -> str:
    """The parts that are there, with single spaces."""
    return " ".join(part for part in parts if part)


def details(event: Event) -> list[str]:
    """The adjectives of a sound that are said, in a fixed order: loudness, speed, pitch."""
    return [event[key] for key in ("loud", "speed", "pitch") if event.get(key)]
