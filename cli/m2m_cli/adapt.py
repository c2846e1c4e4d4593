"""``m2m adapt``: statistics of languages from unlabeled text, stored with an adapter."""

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
        help="LANGUAGE=TEXT, e.g. de=de.txt; repeatable. en=TEXT sets the English text to "
        "compare with; by default the adapter's own corpus.",
    ),
    out: Path | None = typer.Option(
        None, "--out", "-o", help="Folder to write the new adapter to; by default the old one's."
    ),
    max_sentences: int = typer.Option(
        2_000, "--max-sentences", help="Use at most this many sentences of each language.", min=50
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of the sampling.", min=0),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Improve an adapter for some languages with plain text in them, without translations.

    Learns what all vectors of a language have in common, and removes it. The results no longer
    come from English text alone. Each language's text is split in two halves; a language is
    stored only if what is learned from one half helps on the other.

    [dim]m2m adapt mpnet-clip --texts de=de.txt --texts ja=ja.txt --out mpnet-clip-de-ja[/dim]

    [dim]m2m search photos "ein Hund am Strand" --adapter mpnet-clip-de-ja --lang auto[/dim]
    """
    from m2m_adapters.adaptation.adapt import adapt as learn
    from m2m_adapters.artifact.place import check_place
    from m2m_adapters.errors import UserError

    if out is None and not Path(adapter).is_dir():
        raise UserError(f"'{adapter}' is not a folder here", "give --out FOLDER")
    folder = Path(adapter) if out is None else out
    check_place(folder)
    by_language = _by_language(texts)
    english = by_language.pop("en", None)
    result = learn(
        adapter, by_language, english=english, max_sentences=max_sentences, seed=seed,
        device=device, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    if not result.stored:
        reasons = "; ".join(f"{one.code}: {one.refused}" for one in result.judged)
        raise UserError(
            f"no language was stored ({reasons})", "give more text, or text more like the English"
        )
    result.adapter.save(folder)
    if json:
        print_json(_summary(result, folder))
        return
    typer.echo(_table(result))
    typer.echo(f"{folder}: {', '.join(result.stored)} (uses unlabeled foreign text)", err=True)


def _by_language(texts: list[str]) -> dict[str, Path | str]:
    """``de=de.txt`` -> language and path; several files of a language are a glob or a folder."""
    from m2m_adapters._internal.languages import normalize_tag
    from m2m_adapters.errors import UserError

    paths: dict[str, Path | str] = {}
    for one in texts:
        written, sign, path = one.partition("=")
        if not sign or not written.strip() or not path:
            raise UserError(f"--texts {one} names no language", "write LANGUAGE=TEXT: de=de.txt")
        code = normalize_tag(written)
        if code in paths:
            raise UserError(f"the language '{code}' is given twice", "give each language once")
        paths[code] = path
    return paths


def _summary(result: Adaptation, folder: Path) -> dict[str, object]:
    return {
        "adapter": str(folder),
        "uses": "unlabeled foreign text",
        "languages": {
            one.code: {
                "sentences": one.sentences,
                "gain": list(one.gain),
                "stored": not one.refused,
                "reason": one.refused or None,
            }
            for one in result.judged
        },
    }


def _table(result: Adaptation) -> str:
    rows = [
        [
            one.code,
            f"{one.sentences:,}",
            f"{one.gain[0]:+.2f} [{one.gain[1]:+.2f}, {one.gain[2]:+.2f}]",
            f"not stored: {one.refused}" if one.refused else "stored",
        ]
        for one in result.judged
    ]
    return table(rows, ["language", "sentences", "gain (CSLS, 1/100)", ""])
