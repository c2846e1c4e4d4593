"""Results of evaluations in a record, as rows for the card and as files for the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from m2m_adapters.artifact.codec import convert
from m2m_adapters.artifact.record import EvaluationRecord, Figure, Figures, Json, Record

PLAIN = "adapter without bank"
"""System: the adapter, its English bank left out."""

RETRIEVAL = ("R@1", "R@5", "R@10")
Row = tuple[str, str, float]
"""Language, figure, percent."""


def results(record: Record) -> dict[str, list[Row]]:
    """Rows by benchmark, of the evaluations that the record keeps."""
    tables: dict[str, list[Row]] = {}
    for evaluation in record.evaluation:
        rows = tables.setdefault(evaluation.name, [])
        if (system := evaluation.systems.get("adapter")) is None:
            continue
        for code, figures in system.languages.items():
            rows += [(code, figure, value) for figure, value in _values(figures)]
    return {name: rows for name, rows in tables.items() if rows}


def keep_results(record: Record, result: Json) -> Record:
    """The record with the adapter's figures of an evaluation, in place of older ones of it.

    With and without the English bank, where it has one.
    """
    described = ("protocol", "ties", "intervals", "judges", "settings", "reference")
    content = {
        **{key: result[key] for key in described if key in result},
        "benchmark": {k: v for k, v in result["benchmark"].items() if not k.endswith(" items")},
        "systems": {
            name: {key: system[key] for key in ("languages", "averages")}
            for name, system in result["systems"].items()
            if name in ("adapter", PLAIN)
        },
    }
    if "trust" in result:
        content["trust"] = result["trust"]["summary"]
    added = convert(json.loads(json.dumps(content)), EvaluationRecord, "the results")
    others = [kept for kept in record.evaluation if kept.name != added.name]
    return msgspec.structs.replace(record, evaluation=[*others, added])


def _values(figures: Figures) -> Iterator[tuple[str, float]]:
    """(figure, value) of one language: of retrieval, or of what was generated from prompts."""
    retrieval = figures.get("text_to_item")
    if isinstance(retrieval, dict):
        listed: list[tuple[str, Figure]] = [(name, retrieval.get(name)) for name in RETRIEVAL]
    else:
        listed = [(name, one) for name, one in figures.items() if not isinstance(one, dict)]
    for name, one in listed:
        value = next(iter(one), None) if isinstance(one, list) else one
        if value is not None:
            yield name, float(value)


def result_files(record: Record) -> dict[str, str]:
    """``.eval_results/NAME.yaml`` -> content, as the hub's model pages read them."""
    import yaml

    files = {}
    for name, rows in results(record).items():
        entries = [
            {"dataset": {"id": name, "task_id": f"{figure}/{code}"}, "value": round(value, 4)}
            for code, figure, value in rows
        ]
        plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:80] or "results"
        files[f".eval_results/{plain}.yaml"] = yaml.safe_dump(entries, sort_keys=False)
    return files
