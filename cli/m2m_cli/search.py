"""``m2m search``: texts, pictures or sounds in, the nearest items of an index out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from m2m_cli.options import DEVICE, JSON, LANG, TRUST
from m2m_cli.output import print_json

if TYPE_CHECKING:
    from m2m_adapters.search.rerank import Reranker


def search(
    index: Path = typer.Argument(..., help="Folder of an index (`m2m index`)."),
    queries: list[str] | None = typer.Argument(
        None, help="""Queries in any language: `dog`, `dog + snow`, `2:"beach" - people`."""
    ),
    item: list[Path] | None = typer.Option(
        None, "--item", help="Image or sound file as a query; repeatable."
    ),
    speech: list[Path] | None = typer.Option(
        None,
        "--speech",
        help="Sound file with a spoken query, if the adapter's source takes speech; repeatable.",
    ),
    adapter: list[str] | None = typer.Option(
        None,
        "--adapter",
        "-A",
        help="An adapter to the index's target, or `native` for the target's own text tower; "
        "repeatable for indexes of several targets.",
    ),
    also: list[Path] | None = typer.Option(
        None, "--also", help="Another index to search as well; repeatable."
    ),
    k: int = typer.Option(20, "-k", help="Results per query.", min=1),
    where: str | None = typer.Option(
        None, "--where", help="Filter on metadata: `date >= 2023 and width > 1000`."
    ),
    literal: bool = typer.Option(
        False, "--literal", help="Take + and - in queries literally, not as operators."
    ),
    bank: bool = typer.Option(
        True,
        "--bank/--no-bank",
        help="Use the adapter's English bank, which lowers the "
        "scores of items that match every query.",
    ),
    rerank: str | None = typer.Option(
        None,
        "--rerank",
        help="Adapter to a model that reads text and item together (joint:...), to rerank the "
        "first 50 hits.",
    ),
    lang: str | None = LANG,
    page: Path | None = typer.Option(None, "--page", help="Write the results as an HTML page."),
    device: str = DEVICE,
    trust_remote_code: bool = TRUST,
    json: bool = JSON,
) -> None:
    """Find photos or sounds by text in any language.

    [dim]m2m search photos "ein Hund am Strand" --adapter mpnet-clip[/dim]

    [dim]m2m search photos --speech question.wav --adapter seamless-clip[/dim]
    """  # fmt: skip
    from m2m_adapters.search.index import load_index
    from m2m_adapters.search.page import check_page, write_page
    from m2m_adapters.search.several import search_several

    if page is not None:
        check_page(page)
    wanted = _wanted(queries or [], item or [], speech or [], literal)
    indexes = [load_index(folder) for folder in [index, *(also or [])]]
    joint = _reranker(rerank, device)
    answers = search_several(
        indexes, wanted, joint.deep(k), where=where, adapters=adapter or [],
        bank=bank, language=lang, device=device, trust_remote_code=trust_remote_code,
    )  # fmt: skip
    answers = joint.order(answers, wanted, k)
    if page is not None:
        write_page(page, answers)
    if json:
        print_json([{"query": a.query, "hits": [hit.as_dict() for hit in a]} for a in answers])
        return
    _show(answers, several=len(indexes) > 1)
    if page is not None:
        typer.echo(f"page: {page}", err=True)


def _reranker(name: str | None, device: str) -> Reranker:
    from m2m_adapters.artifact.load import load_adapter
    from m2m_adapters.search.rerank import Reranker

    return Reranker(load_adapter(name, device=device) if name else None)


def _wanted(queries: list[str], items: list[Path], speech: list[Path], literal: bool) -> list[Any]:
    """Queries of the arguments, ``--item`` and ``--speech``; without any, lines of stdin."""
    from m2m_adapters.errors import UserError
    from m2m_adapters.search.query import Query, parse

    read = Query.of_text if literal else parse
    wanted = [read(query) for query in queries]
    wanted += [Query.of_item(str(path)) for path in items]
    wanted += [Query.of_speech(str(path)) for path in speech]
    if not wanted and not sys.stdin.isatty():
        wanted = [read(line) for line in sys.stdin.read().splitlines() if line.strip()]
    if not wanted:
        raise UserError("there is no query", "give a text, --item FILE or --speech FILE")
    return wanted


def _show(answers: Sequence[Any], several: bool) -> None:
    """A table for each query: on a terminal with rules, elsewhere plain columns."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from m2m_cli.output import table

    terminal = sys.stdout.isatty()
    for answer in answers:
        header = ["", "score", "item", "at", "size", "date", *(["index"] if several else [])]
        rows = [_row(rank, hit, several) for rank, hit in enumerate(answer, 1)]
        if not terminal:
            typer.echo(f"{answer.query}\n{table(rows, header) if rows else 'nothing found'}\n")
            continue
        shown = Table(title=Text(answer.query), box=box.SIMPLE, title_justify="left")
        for name in header:
            shown.add_column(name, overflow="fold")
        for row in rows:
            shown.add_row(*(Text(cell) for cell in row))
        Console().print(shown if rows else Text(f"{answer.query}\nnothing found\n"))


def _row(rank: int, hit: Any, several: bool) -> list[str]:
    item = hit.item
    if item.width:
        size = f"{item.width} x {item.height}"
    else:
        size = f"{item.duration:.1f} s" if item.duration else ""
    at = "" if hit.start is None else f"{hit.start:.1f} s"
    date = (item.date or "")[:10]
    row = [str(rank), f"{hit.score:.3f}", item.path, at, size, date]
    return [*row, Path(hit.index).name] if several else row
