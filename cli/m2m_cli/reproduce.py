"""``m2m reproduce``: a published result, measured again."""

from __future__ import annotations

from typing import Any

import typer

from m2m_cli.options import DEVICE, EXACT, JSON, TRUST
from m2m_cli.output import print_json, table

SPEECH_TEXT = "speech-text"


def reproduce(
    result: str = typer.Argument(
        ..., help="xtd, multi30k, xm3600, audiocaps, clotho or speech-text."
    ),
    source: str | None = typer.Option(
        None, "--source", "-s", help="Another source; by default mpnet."
    ),
    target: str | None = typer.Option(
        None, "--target", "-t", help="Another target; by default the published one."
    ),
    texts: list[str] | None = typer.Option(
        None, "--texts", help="English text to use instead of the published corpus."
    ),
    data: str | None = typer.Option(
        None, "--data", help="Folder of the benchmark; by default it is downloaded."
    ),
    items: str | None = typer.Option(
        None, "--items", help="Folder of the benchmark's pictures or sounds."
    ),
    langs: str | None = typer.Option(
        None, "--langs", help="Languages, e.g. en,de,ja; by default all."
    ),
    sentences: int | None = typer.Option(
        None, "--sentences", help="Use at most this many sentences."
    ),
    allow_missing: bool = typer.Option(
        False, "--allow-missing", help="Skip items whose files are missing."
    ),
    seed: int = typer.Option(0, "--seed", help="Seed of sampling, training and the bootstrap."),
    device: str = DEVICE,
    precision: str = EXACT,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Reproduce a result of the M2M paper, and print the new figures beside the published ones.

    Aligns by the paper's recipe and by ours. Downloads the models, corpus and benchmark that are
    not on this machine. speech-text is from another paper, on speech and text inside encoders: it
    lists that paper's claims, and with --data measures them on FLEURS.

    [dim]m2m reproduce xtd --trust-remote-code[/dim]
    """
    from m2m_adapters._internal.progress import progress_for
    from m2m_adapters.evaluation.reproduce import reproduce as measure

    wanted = [c.strip() for c in langs.split(",") if c.strip()] if langs else None
    if result == SPEECH_TEXT:
        options = {"device": device, "precision": precision}
        _speech_text(source or "seamless-m4t-v2", data, wanted, sentences, options, json)
        return
    outcome = measure(
        result,
        source=source,
        target=target,
        texts=texts or None,
        data=data,
        items=items,
        langs=wanted,
        sentences=sentences,
        allow_missing=allow_missing,
        seed=seed,
        progress=progress_for(),
        model_options={
            "device": device, "precision": precision, "trust_remote_code": trust_remote_code,
        },
    )  # fmt: skip
    if json:
        print_json(outcome)
    else:
        typer.echo(reproduced_table(outcome))


def _speech_text(
    source: str,
    data: str | None,
    languages: list[str] | None,
    limit: int | None,
    options: dict[str, Any],
    json: bool,
) -> None:
    """The claims of the second paper: listed, or measured where FLEURS is at hand."""
    from m2m_adapters.analysis.speech_text import CLAIMS, speech_text
    from m2m_adapters.evaluation.datasets.fleurs import spoken
    from m2m_cli.studies import present

    if data is None:
        claims = [{"claim": one.number, "says": one.says, "less similar": one.less,
                   "more similar": one.more} for one in CLAIMS]  # fmt: skip
        if json:
            print_json({"published in": "arXiv 2411.17666", "claims": claims})
            return
        typer.echo(table([list(one.values()) for one in claims], list(claims[0])))
        typer.echo(
            "\npublished: arXiv 2411.17666, whose figures are plots: only the direction of each "
            "comparison can be read from its text.\nTo measure them, get FLEURS' folders "
            "(en_us, de_de, ...) from huggingface.co/datasets/google/fleurs and run\n  m2m "
            f"reproduce {SPEECH_TEXT} --source {source} --data FOLDER"
        )
        return
    texts, recordings = spoken(data, languages=languages, limit=limit)
    study = speech_text(source, texts, recordings, data="FLEURS (test)", **options)
    present(study, (), json)


def reproduced_table(outcome: dict[str, Any]) -> str:
    """Ours and the published, English and average, text to item / item to text."""

    def cell(row: dict[str, Any], group: str, direction: str) -> str | None:
        value = (row.get(group) or {}).get(direction)
        if value is None:
            return None
        return f"{value[0]:.1f}" + (f" [{value[1]:.1f}, {value[2]:.1f}]" if len(value) > 1 else "")

    header = ["R@10", "languages", "en t2i", "en i2t", "average t2i", "average i2t", "notes"]
    rows = [
        [
            row["what"],
            row["languages"],
            *(cell(row, group, direction) for group in ("English", "average")
              for direction in ("text_to_item", "item_to_text")),
            row.get("notes"),
        ]
        for row in outcome["rows"]
    ]  # fmt: skip
    corpus = outcome["corpus"]
    return (
        f"{outcome['result']}: {outcome['source']} -> {outcome['target']}, "
        f"{corpus['sentences']:,} English sentences, {corpus['dropped']:,} left out because "
        f"{corpus['why']}\n{table(rows, header)}\npublished: {outcome['published in']}"
    )
