"""Trains tiny-speech: an ear on speech of three languages, and the words of thirteen.

    python -m m2m_tiny.zoo tiny-speech --out FOLDER

Needs eSpeak NG (``pip install espeakng-loader``); about twenty minutes of one core.
"""

from __future__ import annotations

from pathlib import Path

from m2m_tiny.zoo import speech_ear, training
from m2m_tiny.zoo.speech_data import extractor, spoken
from m2m_tiny.zoo.speech_words import write_lexicons


def main(out: Path) -> str:
    """Train, save, and return the ear's score."""
    work = training.work_folder(out)
    ear = speech_ear.build()
    score = speech_ear.train_ear(ear, spoken(work), work / "ear")
    # Half-precision weights that load as float32.
    training.save_halved(ear, extractor(), out / "ear")
    write_lexicons(out)
    return score
