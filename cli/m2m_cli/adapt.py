"""``m2m adapt``: statistics of languages from unlabelled text, stored with an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from m2m_cli.options import DEVICE, JSON, TRUST
from m2m_cli.output import print_json, table

if TYPE_CHECKING:
    from m2m_adapters.adaptation.adapt import Adaptation


def adapt(
    adapter: str = typer.Argument(..., help="An adapter: its folder, registry name or hub id."),
    texts: list[str] = typer.Option(
        ...,
        "--texts",
        "-t",
        help="LANGUAGE=TEXT, e.g. de=de.txt; repeatable. en=TEXT is what "
        "the others are compared with, the adapter's corpus by default.",
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="Folder of the new adapter; the old one by default."
    ),
    max_sentences: int = typer.Option(
        2_000, "--max-sentences", help="Sentences of each language that are used.", min=50
    ),
    seed: int = typer.Option(0, "--seed", help="Of the sample and of the halves.", min=0),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Learn what each language's vectors have in common, from unlabelled text of the language.

    No translations are needed, but text of the language is: results with it are no longer
    those of English text alone. A language whose text does not help by its own halves is not
    stored.

    [dim]m2m adapt mpnet-clip --texts de=de.txt --texts ja=ja.txt --out mpnet-clip-de-ja[/dim]

    [dim]m2m search photos "ein Hund am Strand" --adapter mpnet-clip-de-ja --lang auto[/dim]
    """
    from m2m_adapters.adaptation.adapt import adapt as learn
    from m2m_adapters.artifact.adapter import check_place
    from m2m_adapters.errors import UserError

    if out is None and not Path(adapter).is_dir():
        raise UserError(f"'{adapter}' is not a folder here", "give --out FOLDER")
    place = Path(adapter) if out is None else out
    check_place(place)
    named = _named(texts)
    english = named.pop("en", None)
    done = learn(
        adapter, named, english=english, max_sentences=max_sentences, seed=seed, device=device,
        trust_remote_code=trust_remote_code,
    )  # fmt: skip
    if not done.stored:
        reasons = "; ".join(f"{one.code}: {one.refused}" for one in done.judged)
        raise UserError(
            f"no language was stored ({reasons})", "give more text, or text nearer to the English"
        )
    done.adapter.save(place)
    if json:
        print_json(_facts(done, place))
        return
    typer.echo(_table(done))
    typer.echo(f"{place}: {', '.join(done.stored)} (uses unlabelled foreign text)", err=True)


def _named(texts: list[str]) -> dict[str, Path | str]:
    """``de=de.txt`` -> language and place; several files of a language are a glob or a folder."""
    from m2m_adapters._internal.languages import normalize_tag
    from m2m_adapters.errors import UserError

    found: dict[str, Path | str] = {}
    for one in texts:
        written, sign, place = one.partition("=")
        if not sign or not written.strip() or not place:
            raise UserError(f"--texts {one} names no language", "write LANGUAGE=TEXT: de=de.txt")
        code = normalize_tag(written)
        if code in found:
            raise UserError(f"the language '{code}' is given twice", "give each language once")
        found[code] = place
    return found


def _facts(done: Adaptation, place: Path) -> dict[str, object]:
    return {
        "adapter": str(place),
        "uses": "unlabelled foreign text",
        "languages": {
            one.code: {
                "sentences": one.sentences,
                "gain": list(one.gain),
                "stored": not one.refused,
                "reason": one.refused or None,
            }
            for one in done.judged
        },
    }


def _table(done: Adaptation) -> str:
    rows = [
        [
            one.code,
            f"{one.sentences:,}",
            f"{one.gain[0]:+.2f} [{one.gain[1]:+.2f}, {one.gain[2]:+.2f}]",
            f"not stored: {one.refused}" if one.refused else "stored",
        ]
        for one in done.judged
    ]
    return table(rows, ["language", "sentences", "gain (CSLS, 1/100)", ""])
