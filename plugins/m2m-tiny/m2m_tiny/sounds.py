"""The audible world: sounds as meaning first, then as samples. Captions know nothing of this file.

A sound is a plain dict, independent of language::

    {"kind": "sound", "events": [event, ...], "link": "then" | "together"}

one to three events in a row, or exactly two at once, with
``event = {"what", "pitch", "loud", "speed", "times"}``. Pitch, loudness and speed may be None
(middling); pitch is None for noises, speed is None where nothing can be slow (see ``may_have``).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Sound = dict[str, Any]
Event = dict[str, Any]
Samples = npt.NDArray[np.float32]

WHATS = ["beep", "rising", "falling", "hiss", "click", "siren", "chord", "buzz"]
PITCHES = [None, "low", "high"]
LOUDNESSES = [None, "soft", "loud"]
SPEEDS = [None, "slow", "fast"]
TIMES = [1, 2, 3]
LINKS = ["then", "together"]

RATE = 16_000
SECONDS = 4.0
_LONGEST = 3.5  # nominal seconds of events; the rest is room for jitter
_FREQUENCY = {"low": 230.0, None: 640.0, "high": 1800.0}
_AMPLITUDE = {"soft": 0.06, None: 0.16, "loud": 0.42}
_PAUSE, _GAP = 0.08, 0.30  # between repetitions of one event, between events


def may_have(what: str, detail: str, times: int = 1) -> bool:
    """Whether such an event can have a pitch, loudness or speed of its own."""
    if detail == "pitch":
        return what not in ("hiss", "click")
    if detail == "speed":
        return what in ("rising", "falling", "siren") or (what == "click" and times > 1)
    return True


def random_sound(rng: random.Random) -> Sound:
    """One to three events, one after another or two at once."""
    while True:
        count = rng.choices([1, 2, 3], [0.1, 0.55, 0.35])[0]
        link = "together" if count == 2 and rng.random() < 0.3 else "then"
        sound = _sound([_random_event(rng) for _ in range(count)], link)
        if _possible(sound):
            return sound


def _sound(events: list[Event], link: str) -> Sound:
    return {"kind": "sound", "events": [_tidy(event) for event in events], "link": link}


def _random_event(rng: random.Random) -> Event:
    return {
        "what": rng.choice(WHATS),
        "pitch": rng.choice(PITCHES),
        "loud": rng.choices(LOUDNESSES, [2, 1, 1])[0],
        "speed": rng.choices(SPEEDS, [2, 1, 1])[0],
        "times": rng.choices(TIMES, [4, 2, 1])[0],
    }


def _tidy(event: Event) -> Event:
    """A copy without the details such an event cannot have."""
    event = dict(event)
    for detail in ("pitch", "speed"):
        if not may_have(event["what"], detail, event["times"]):
            event[detail] = None
    return event


def _possible(sound: Sound) -> bool:
    """Short enough, and its events can be told apart by ear."""
    events = sound["events"]
    lengths = [_length(event) for event in events]
    if sound["link"] == "together":
        return events[0]["what"] != events[1]["what"] and max(lengths) <= _LONGEST
    apart = all(
        (a["what"], a["pitch"]) != (b["what"], b["pitch"]) for a, b in itertools.pairwise(events)
    )
    return apart and sum(lengths) + _GAP * (len(events) - 1) <= _LONGEST


def near_duplicates(sound: Sound, rng: random.Random, n: int = 4) -> list[Sound]:
    """``n`` sounds that differ in one attribute, or in which event has it; fewer if there are."""
    variants: list[Sound] = []
    keys = {key(sound)}
    for other in itertools.islice(_neighbors(sound, rng), 60 * n):
        if key(other) not in keys and _possible(other):
            keys.add(key(other))
            variants.append(other)
            if len(variants) == n:
                break
    return variants


def _neighbors(sound: Sound, rng: random.Random) -> Iterator[Sound]:
    """Candidates without end: the telling ones first."""
    events, link = sound["events"], sound["link"]
    if len(events) > 1:
        if link == "then":
            yield _sound(events[::-1], link)
        yield _swapped(sound, rng)
        if len(events) == 2:
            yield _sound(events, "together" if link == "then" else "then")
    details = ["pitch", "loud", "speed", "times", "what"]
    while True:
        rng.shuffle(details)
        for detail in details:
            yield _changed(sound, detail, rng)
        if len(events) < 3 and link == "then":
            yield _sound([*events, _random_event(rng)], link)


def _swapped(sound: Sound, rng: random.Random) -> Sound:
    """Two events exchange one detail in which they differ."""
    events = [dict(event) for event in sound["events"]]
    a, b = rng.sample(events, 2)
    details = ["pitch", "loud", "times"]
    rng.shuffle(details)
    for detail in details:
        both = all(may_have(event["what"], detail) for event in (a, b))
        if both and a[detail] != b[detail]:
            a[detail], b[detail] = b[detail], a[detail]
            break
    return _sound(events, sound["link"])


def _changed(sound: Sound, detail: str, rng: random.Random) -> Sound:
    events = [dict(event) for event in sound["events"]]
    chosen = rng.choice(events)
    options: Any = {
        "what": WHATS, "pitch": PITCHES, "loud": LOUDNESSES, "speed": SPEEDS, "times": TIMES
    }[detail]  # fmt: skip
    chosen[detail] = rng.choice([value for value in options if value != chosen[detail]])
    return _sound(events, sound["link"])


def mention(sound: Sound, rng: random.Random, p_drop: float = 0.2) -> Sound:
    """What a caption says of a sound: optional details are left out with probability p_drop.

    Of two events at once either may be named first.
    """
    events = [dict(event) for event in sound["events"]]
    for event in events:
        for detail in ("pitch", "loud", "speed"):
            if rng.random() < p_drop:
                event[detail] = None
    if sound["link"] == "together" and rng.random() < 0.5:
        events.reverse()
    return {"kind": "sound", "events": events, "link": sound["link"]}


def key(sound: Sound) -> str:
    """Equal for equal meanings."""
    names = ("what", "pitch", "loud", "speed", "times")
    events = [repr([event[name] for name in names]) for event in sound["events"]]
    return str(sound["link"]) + repr(sorted(events) if sound["link"] == "together" else events)


def gallery(seed: int = 998, groups: int = 40, size: int = 25) -> tuple[list[Sound], list[Sound]]:
    """The held-out sounds and what their captions say: each base with its near-duplicates."""
    rng = random.Random(seed)
    sounds: list[Sound] = []
    seen: set[str] = set()
    while len(sounds) < groups * size:
        base = random_sound(rng)
        family = [base, *near_duplicates(base, rng, size - 1)]
        keys = {key(sound) for sound in family}
        while len(family) < size:  # some have few neighbors; theirs stand in
            for sound in near_duplicates(rng.choice(family), rng, size - len(family)):
                if key(sound) not in keys:
                    keys.add(key(sound))
                    family.append(sound)
        if not keys & seen:
            seen |= keys
            sounds += family
    return sounds, [mention(sound, rng, 0.25) for sound in sounds]


def render(sound: Sound, rng: random.Random) -> Samples:
    """float32 ``[64000]`` in [-1, 1] at 16 kHz: four seconds, with jitter drawn from ``rng``."""
    noise = np.random.default_rng(rng.getrandbits(32))
    samples = noise.standard_normal(int(RATE * SECONDS), dtype=np.float32)
    samples *= rng.uniform(0.0008, 0.003)  # background
    pace, level = rng.uniform(0.95, 1.06), rng.uniform(0.85, 1.18)
    gaps = _GAP * (len(sound["events"]) - 1)
    lengths = [_length(event) for event in sound["events"]]
    together = sound["link"] == "together"
    room = SECONDS - 0.1 - pace * (max(lengths) if together else sum(lengths) + gaps)
    start = first = 0.05 + rng.uniform(0, min(room, 0.8))
    for event, length in zip(sound["events"], lengths, strict=True):
        _play(samples, event, first if together else start, pace, level, rng, noise)
        start += pace * (length + _GAP)
    return np.clip(samples, -1, 1, out=samples)


def _unit(event: Event) -> float:
    """Nominal seconds of one repetition."""
    what, speed = event["what"], event["speed"]
    if what in ("rising", "falling"):
        return {"fast": 0.18, None: 0.40, "slow": 0.80}[speed]
    return {"click": 0.02, "siren": 0.75, "chord": 0.35, "hiss": 0.30}.get(what, 0.25)


def _pause(event: Event) -> float:
    if event["what"] == "click":
        return {"fast": 0.10, None: 0.22, "slow": 0.45}[event["speed"]]
    return _PAUSE


def _length(event: Event) -> float:
    """Nominal seconds of all repetitions."""
    return float(event["times"] * _unit(event) + (event["times"] - 1) * _pause(event))


def _play(
    samples: Samples, event: Event, start: float, pace: float, level: float,
    rng: random.Random, noise: np.random.Generator,
) -> None:  # fmt: skip
    """Add the event to the samples, as often as it says."""
    frequency = _FREQUENCY[event["pitch"]] * rng.uniform(0.92, 1.09)
    amplitude = _AMPLITUDE[event["loud"]] * level * rng.uniform(0.9, 1.1)
    unit, step = pace * _unit(event), pace * (_unit(event) + _pause(event))
    wave = _wave(event, frequency, max(int(unit * RATE), 1), rng, noise)
    wave *= amplitude
    for repetition in range(event["times"]):
        at = int((start + repetition * step + rng.uniform(-0.008, 0.008)) * RATE)
        at = min(max(at, 0), len(samples) - len(wave))
        samples[at : at + len(wave)] += wave


def _wave(
    event: Event, frequency: float, count: int, rng: random.Random, noise: np.random.Generator
) -> Samples:
    """float32 ``[count]``, of about unit amplitude, faded in and out."""
    what = event["what"]
    seconds = np.arange(count, dtype=np.float32) / np.float32(RATE)
    along = np.linspace(0, 1, count, dtype=np.float32)
    if what == "click":
        tone = np.sin(2 * np.pi * 1500 * seconds) + noise.standard_normal(count, np.float32)
        return np.asarray(tone * np.exp(-along * 5) * 1.5, np.float32)
    if what == "hiss":
        wave = noise.standard_normal(count, np.float32) * np.float32(0.4)
    elif what == "buzz":
        phase = np.mod(seconds * (frequency / 2) + rng.random(), 1)
        wave = (2 * phase - 1) * (0.75 + 0.25 * np.sign(np.sin(2 * np.pi * 35 * seconds)))
    elif what == "chord":
        wave = sum(_tone(seconds * frequency * ratio, rng) for ratio in (1, 1.26, 1.5, 2)) / 2.2
    elif what == "siren":
        rate = {"fast": 7.0, None: 3.6, "slow": 1.8}[event["speed"]] * rng.uniform(0.94, 1.06)
        swing = 0.3 * frequency / (2 * np.pi * rate)
        wave = _tone(seconds * frequency - swing * np.cos(2 * np.pi * rate * seconds), rng)
    elif what in ("rising", "falling"):
        low, high = frequency * 0.7, frequency * 1.6
        first, last = (low, high) if what == "rising" else (high, low)
        wave = _tone(seconds * (first + (last - first) / 2 * along), rng)
    else:
        wave = _tone(seconds * frequency, rng)
    fade = min(int(0.012 * RATE), count // 2)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    wave = np.asarray(wave, np.float32)
    wave[:fade] *= ramp
    wave[count - fade :] *= ramp[::-1]
    return wave


def _tone(cycles: Any, rng: random.Random) -> Any:
    """A sine wave with a second harmonic, like a small speaker's."""
    turns = np.float32(2 * np.pi) * (cycles + rng.random())
    return np.sin(turns) + np.float32(0.12) * np.sin(2 * turns)
