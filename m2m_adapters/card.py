"""The card of an adapter: its record, for people."""

from __future__ import annotations

from typing import Any


def card(record: dict[str, Any]) -> str:
    """README.md of an adapter: what was measured on it, how, and nothing else."""
    source, target = record["source"], record["target"]
    names = {side: record[side]["name"] or record[side]["class"] for side in ("source", "target")}
    lines = [
        "---",
        "library_name: m2m-adapters",
        "tags: [m2m-adapters, multilingual]",
        "---",
        "",
        f"# {names['source']} -> {names['target']}",
        "",
        f"Leads every language of `{names['source']}` into the {target['modality']} space of "
        f"`{names['target']}`. Learned from English sentences only.",
        "",
        "```python",
        "import m2m_adapters as m2m",
        "",
        'adapter = m2m.load_adapter("path/to/this/folder")',
        'vectors = adapter.encode(["ein Hund bellt"])',
        "```",
        "",
        "| | source | target |",
        "|---|---|---|",
        *(
            f"| {label} | {_cell(source.get(key))} | {_cell(target.get(key))} |"
            for label, key in (
                ("name", "name"),
                ("dimension", "dim"),
                ("fingerprint", "fingerprint"),
                ("provenance", "provenance"),
            )
        ),
        "",
    ]
    if corpus := record.get("corpus"):
        lines += [
            "## Corpus",
            "",
            f"{corpus.get('sentences', 0):,} English sentences from "
            f"{', '.join(corpus.get('origins') or ['memory'])}"
            f" (digest `{str(corpus.get('digest', ''))[:16]}`).",
            "",
        ]
    if recipe := record.get("recipe"):
        told = ", ".join(f"{k} {v}" for k, v in recipe.items() if v not in (None, False, ""))
        lines += ["## Recipe", "", told, ""]
    if held := record.get("held_out"):
        lines += ["## Held-out English pairs", "", "| | |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {_cell(value)} |" for key, value in held.items()]
        lines += [""]
    for result in record.get("evaluation", []):
        lines += [f"## {result.get('benchmark', 'Evaluation')}", "", result.get("table", ""), ""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items()) or "-"
    return "-" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
