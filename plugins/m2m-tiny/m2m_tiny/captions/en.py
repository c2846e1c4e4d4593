"""English."""

from __future__ import annotations

import random

from m2m_tiny.captions.grammar import Event, Language, Object, details, words

SIZES = {"small": ["small", "little"], "large": ["large", "big"]}
TEXTURES = {"striped": ["striped"], "dotted": ["dotted", "spotted"]}
SOUNDS = {
    "beep": ("beep", "beeps"), "rising": ("rising whistle", "rising whistles"),
    "falling": ("falling whistle", "falling whistles"), "hiss": ("hiss", "hisses"),
    "click": ("click", "clicks"), "siren": ("siren", "sirens"), "chord": ("chord", "chords"),
    "buzz": ("buzz", "buzzes"),
}  # fmt: skip
DETAILS = {
    "soft": ["soft", "quiet"], "loud": ["loud"], "slow": ["slow"], "fast": ["fast", "quick"],
    "low": ["low"], "high": ["high"],
}  # fmt: skip


def article(phrase: str) -> str:
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def thing(obj: Object, case: str, rng: random.Random) -> str:
    texture = rng.choice(TEXTURES[obj["tex"]]) if obj["tex"] else None
    size = rng.choice(SIZES[obj["size"]]) if obj["size"] else None
    middle = [obj["color"], texture] if rng.random() < 0.5 else [texture, obj["color"]]
    return article(words(size, *middle, obj["shape"]))


def sound(event: Event, rng: random.Random) -> str:
    one, many = SOUNDS[event["what"]]
    adjectives = words(*(rng.choice(DETAILS[d]) for d in details(event)))
    if event["times"] == 1:
        return article(words(adjectives, one))
    return words({2: "two", 3: "three"}[event["times"]], adjectives, many)


LANGUAGE = Language(
    thing=thing,
    relations={
        "left": [("{a} to the left of {b}", "nom"), ("{a} is left of {b}", "nom"),
                 ("there is {a} on the left of {b}", "nom")],
        "right": [("{a} to the right of {b}", "nom"), ("{a} is right of {b}", "nom"),
                  ("there is {a} on the right of {b}", "nom")],
        "above": [("{a} above {b}", "nom"), ("{a} is over {b}", "nom"),
                  ("there is {a} above {b}", "nom")],
        "below": [("{a} below {b}", "nom"), ("{a} is under {b}", "nom"),
                  ("there is {a} below {b}", "nom")],
        "inside": [("{a} inside {b}", "nom"), ("{a} is in {b}", "nom"),
                   ("there is {a} inside {b}", "nom")],
    },
    places={
        "tl": ["in the top left corner", "at the top left"],
        "tr": ["in the top right corner", "at the top right"],
        "bl": ["in the bottom left corner", "at the bottom left"],
        "br": ["in the bottom right corner", "at the bottom right"],
    },
    alone=["{a}", "there is {a}", "a picture of {a}"],
    located=["{a} {place}", "there is {a} {place}", "{place}, {a}"],
    row=["{a}, {b} and {c} from left to right", "from left to right: {a}, {b} and {c}",
         "{a} on the left, {b} in the middle and {c} on the right"],
    column=["{a}, {b} and {c} from top to bottom", "from top to bottom: {a}, {b} and {c}",
            "{a} at the top, {b} in the middle and {c} at the bottom"],
    sound=sound,
    heard=["{a}", "the sound of {a}", "you hear {a}"],
    then_two=["{a}, then {b}", "first {a}, then {b}", "{a} followed by {b}"],
    then_three=["{a}, then {b}, then {c}", "first {a}, then {b}, finally {c}",
                "{a} followed by {b} and then {c}"],
    together=["{a} and {b} at the same time", "{a} together with {b}", "{a} and {b} at once"],
)  # fmt: skip
