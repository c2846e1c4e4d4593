"""What a generator made of prompts in every language: a sheet of pictures, tables, and bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.spelling import counted
from m2m_adapters.evaluation.generator_evaluation import GeneratorEvaluation
from m2m_adapters.evaluation.prompts import REFERENCE
from m2m_adapters.report import charts
from m2m_adapters.report.media import media
from m2m_adapters.report.page import document, html_table
from m2m_adapters.report.tables import latex_table, markdown_table

NATIVE = "native English"


def rows_of(evaluation: GeneratorEvaluation) -> tuple[list[str], list[list[str]]]:
    """(header, rows): system, language and every figure; the headline with its interval."""
    result = evaluation.to_dict()
    names = list(dict.fromkeys(
        name for system in result["systems"].values()
        for row in system["languages"].values() for name in row
    ))  # fmt: skip

    def cell(row: Mapping[str, Any], name: str) -> str:
        if name not in row:
            return ""
        value = row[name]
        if not isinstance(value, list):
            return f"{value:.3f}"
        interval = f" [{value[1]:.1f}, {value[2]:.1f}]" if name == evaluation.headline else ""
        return f"{value[0]:.1f}{interval}"

    def line(system: str, label: str, row: Mapping[str, Any], share: Any) -> list[str]:
        of = f"{share[evaluation.headline][0]:.1f}" if evaluation.headline in share else ""
        return [system, label, *(cell(row, name) for name in names), of]

    rows = [line("reference", NATIVE, result["reference"], {})]
    for system, one in result["systems"].items():
        shares = one["share of native English"]
        for code, row in one["languages"].items():
            label = "no prompt" if system == "neutral" else language(code).name
            rows.append(line(system, label, row, shares[code]))
        if len(one["languages"]) > 1:
            rows += [line(system, name, row, shares[name]) for name, row in one["averages"].items()]
    header = ["system", "language"]
    header += [f"{name} [95%]" if name == evaluation.headline else name for name in names]
    return [*header, f"{evaluation.headline}, % of {NATIVE}"], rows


def caption_of(evaluation: GeneratorEvaluation) -> str:
    prompts = counted(len(evaluation.benchmark), "prompt")
    return (
        f"{evaluation.adapter['name']} on {evaluation.benchmark.name}: {prompts} in "
        f"{len(evaluation.benchmark.languages)} languages, judged by "
        f"{' and '.join(evaluation.judges)}; in percent (cosines times 100), "
        "95% bootstrap intervals over prompts."
    )


def markdown(evaluation: GeneratorEvaluation) -> str:
    return markdown_table(*rows_of(evaluation), caption_of(evaluation))


def latex(evaluation: GeneratorEvaluation) -> str:
    return latex_table(*rows_of(evaluation), caption_of(evaluation))


def page(evaluation: GeneratorEvaluation) -> str:
    """The first prompts with what each language made of them, then a table and bars."""
    result = evaluation.to_dict()
    notes = "".join(
        f"<li><b>{escape(name)}</b>: {escape(one['what'])}</li>"
        for name, one in result["systems"].items()
    )
    settings = ", ".join(f"{name} {value}" for name, value in evaluation.settings.items() if value)
    sheets = {
        system: f"<h2>{escape(title)}</h2>{_sheet_of(evaluation, system)}"
        for system, title in (
            ("adapter", "The same seed, every language, through the adapter"),
            ("native", "The same prompts in the pipeline's own text tower"),
        )
        if system in evaluation.systems
    }
    return document(
        f"{evaluation.adapter['name']} on {evaluation.benchmark.name}",
        f"{sheets.get('adapter', '')}<h2>Figures</h2><p>{escape(caption_of(evaluation))}</p>"
        f'<ul class="note">{notes}</ul>{html_table(*rows_of(evaluation))}'
        f"{language_bars(evaluation)}{sheets.get('native', '')}"
        f"<p class='note'>Adapter {escape(str(evaluation.adapter['digest']))}, benchmark "
        f"{escape(evaluation.benchmark.digest)}. {escape(settings)}</p>",
    )


def language_bars(evaluation: GeneratorEvaluation) -> str:
    """The headline figure by language; the dashed line is the pipeline's native English."""
    result = evaluation.to_dict()
    mark = result["reference"][evaluation.headline][0]
    drawn = []
    for system in (name for name in ("adapter", "native") if name in result["systems"]):
        rows = [
            (language(code).name, *(max(0.0, value) for value in row[evaluation.headline]))
            for code, row in result["systems"][system]["languages"].items()
        ]
        title = f"{system}: {evaluation.headline} by language (dashed: {NATIVE})"
        chart = charts.bars(rows, title=title, mark=mark)
        drawn.append(f"<figure>{chart}<figcaption>{escape(title)}.</figcaption></figure>")
    return "".join(drawn)


def _sheet_of(evaluation: GeneratorEvaluation, system: str) -> str:
    codes = evaluation.languages(system)
    columns = [
        (code, evaluation.benchmark.captions[code], evaluation.shown[system, code])
        for code in codes
    ]
    english = (
        REFERENCE,
        evaluation.benchmark.captions[REFERENCE],
        evaluation.shown["reference", REFERENCE],
    )
    return sheet([(NATIVE, *english), *((language(c[0]).name, *c) for c in columns)],
                 evaluation.benchmark.modality)  # fmt: skip


def sheet(
    columns: Sequence[tuple[str, str, Sequence[str], Sequence[Any]]], modality: str = "image"
) -> str:
    """One row for each meaning, one column for each (title, language code, prompts, items)."""
    head = "".join(f"<th>{escape(title)}</th>" for title, *_ in columns)
    lines = []
    for row in range(min(len(items) for *_, items in columns)):
        cells = "".join(
            f"<td><figure>{media(items[row], modality, texts[row])}"
            f'<figcaption lang="{escape(code, quote=True)}" dir="{language(code).direction}">'
            f"{escape(texts[row])}</figcaption></figure></td>"
            for _, code, texts, items in columns
        )
        lines.append(f"<tr>{cells}</tr>")
    return (
        f'<div class="scroll"><table class="sheet"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )
