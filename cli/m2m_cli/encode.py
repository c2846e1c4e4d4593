"""``m2m encode``: texts or items in, vectors out."""

from __future__ import annotations

import json as jsonlib
import sys
from pathlib import Path
from typing import Any

import typer

from m2m_adapters._internal.spelling import counted
from m2m_cli.options import DEVICE, JSON, LANG, SKIP_BAD, TRUST
from m2m_cli.output import print_json, reserved_stdout, stdout


def encode(
    encoder: str = typer.Argument(
        ..., help="A source, a target, an adapter's folder or name, or ORG/NAME on the hub."
    ),
    texts: list[str] | None = typer.Argument(
        None, help="Texts; without any, one per line from stdin."
    ),
    file: Path | None = typer.Option(None, "--file", "-f", help="File with one text per line."),
    items: bool = typer.Option(
        False, "--items", help="The arguments are paths of pictures or sounds, not texts."
    ),
    speech: list[Path] | None = typer.Option(
        None,
        "--speech",
        help="Sound file with a spoken sentence, if the source takes speech; repeatable.",
    ),
    skip_bad: bool = SKIP_BAD,
    out: Path | None = typer.Option(
        None,
        "--out",
        "-o",
        help="File to write: .npy, .safetensors, .parquet or .jsonl. By default, JSON lines on "
        "stdout.",
    ),
    lang: str | None = LANG,
    device: str = DEVICE,
    precision: str | None = typer.Option(
        None,
        "--precision",
        help="fp32, bf16 or fp16; by default what the adapter records, or the model's own default.",
    ),
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Encode texts of any language (or items) into the space of an adapter or model.

    [dim]echo "ein Hund bellt" | m2m encode mpnet-clap > vectors.jsonl[/dim]

    [dim]m2m encode mpnet-clip --items photos/*.jpg --out photos.npy[/dim]

    [dim]m2m encode seamless-clip --speech question.wav[/dim]
    """
    from m2m_adapters.artifact.resolve import resolve_encoder
    from m2m_adapters.embeddings.vector_files import check_format, write_vectors

    if out is not None:
        check_format(out)
    model = resolve_encoder(
        encoder, device=device, precision=precision, trust_remote_code=trust_remote_code
    )
    _check_kind(bool(speech), items, bool(texts or file), lang)
    rows = [str(path) for path in speech or ()] or _rows(texts, file)
    with reserved_stdout():
        if items or speech:
            rows, vectors = model.encode_some_items(rows, skip_bad=skip_bad, speech=bool(speech))
        else:
            vectors = model.encode(rows, lang)
    kind = "speech" if speech else "item" if items else "text"
    if out is not None:
        write_vectors(out, rows, vectors, kind)
        _written(out, len(rows), int(vectors.shape[1]), json)
        return
    _show([{kind: row, "vector": vector} for row, vector in zip(rows, vectors.tolist())], json)


def _check_kind(speech: bool, items: bool, texts: bool, lang: str | None) -> None:
    """One kind of input; a language is of texts."""
    from m2m_adapters.errors import UserError

    if speech and (texts or items):
        raise UserError("--speech cannot be combined with texts or items", "encode them separately")
    if lang is not None and (items or speech):
        raise UserError("--lang is for texts only", "leave it out")


def _written(out: Path, rows: int, dim: int, json: bool) -> None:
    if json:
        print_json({"out": str(out), "rows": rows, "dim": dim})
    else:
        typer.echo(f"{counted(rows, 'vector')} of dimension {dim} in {out}", err=True)


def _show(records: list[dict[str, Any]], json: bool) -> None:
    if json:
        print_json(records)
        return
    for line in records:
        stdout().write(jsonlib.dumps(line, ensure_ascii=False) + "\n")


def _rows(texts: list[str] | None, file: Path | None) -> list[str]:
    """The arguments, else the lines of the file or of stdin; every line answers to a vector."""
    from m2m_adapters.corpus.files import read_file, read_stdin
    from m2m_adapters.errors import UserError

    if texts:
        if file is not None:
            raise UserError("texts are given twice, as arguments and with --file", "choose one")
        return texts
    if file is not None:
        return list(read_file(file))
    if sys.stdin.isatty():
        raise UserError("there is nothing to encode", "give texts, --file, or pipe lines in")
    return list(read_stdin())
