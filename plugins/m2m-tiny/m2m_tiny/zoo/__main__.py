"""Trains the tiny family again from nothing, and prints what each model scores.

    python -m m2m_tiny.zoo [MODEL ...] [--out FOLDER]

Killed and started again, it goes on where it was; models that are finished are left alone.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from m2m_tiny.family import MODELS
from m2m_tiny.zoo.cards import write_card
from m2m_tiny.zoo.scores import score

TRAINERS = {
    "tiny-text": "text",
    "tiny-speech": "speech",
    "tiny-clip": "clip",
    "tiny-open-clip": "open_clip",
    "tiny-clap": "clap",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m m2m_tiny.zoo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(TRAINERS)}")
    parser.add_argument("--out", type=Path, default=MODELS.with_name("zoo-out"))
    parser.add_argument(
        "--score-only", action="store_true", help="print the table of the models in --out"
    )
    arguments = parser.parse_args()
    for name in arguments.models:
        if name not in TRAINERS:
            parser.error(f"no model is called {name}; there are {', '.join(TRAINERS)}")
    chosen = arguments.models or list(TRAINERS)
    for name in chosen:
        folder = arguments.out / name
        if not arguments.score_only and not any(folder.rglob("*.safetensors")):
            print(f"{name}: training", flush=True)
            importlib.import_module(f"m2m_tiny.zoo.{TRAINERS[name]}").main(folder)
    print(f"\n{'model':16}{'figure':58}{'score':>8}")
    for name in chosen:
        figures = score(name, arguments.out / name)
        for figure, value in figures.items():
            print(f"{name:16}{figure:58}{value:8.1f}")
        if not arguments.score_only:
            write_card(arguments.out / name, figures)


if __name__ == "__main__":
    main()
