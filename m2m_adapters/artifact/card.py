"""The card of an adapter: its record, for people and for the hub's index."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import yaml

from m2m_adapters.artifact.licences import Composed, compose
from m2m_adapters.registry.entries import Entry, registry
from m2m_adapters.registry.fusion import terms
from m2m_adapters.registry.plugins import catalogue


def card(record: dict[str, Any], repo: str = "") -> str:
    """README.md of an adapter: what was measured on it, how, and nothing else.

    repo: ``org/name`` on the hub, for the example that loads it.
    """
    source, target = record["source"], record["target"]
    names = {side: record[side]["name"] or record[side]["class"] for side in ("source", "target")}
    licences = licence(record)
    front = yaml.safe_dump(
        card_data(record), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100
    )
    lines = [
        "---",
        front.rstrip(),
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
        f'adapter = m2m.load_adapter("{repo or "path/to/this/folder"}")',
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
    if licences.statements:
        told = [f"- {line}" for line in licences.statements]
        lines += ["## Licence", "", *told, "", "A summary, not legal advice.", ""]
    if corpus := record.get("corpus"):
        lines += [
            "## Corpus",
            "",
            f"{corpus.get('sentences', 0):,} English sentences from "
            f"{', '.join(map(origin_name, corpus.get('origins') or [{'kind': 'memory'}]))}"
            f" (digest `{str(corpus.get('digest', ''))[:16]}`)."
            + (f" Used: {corpus['used']:,} ({corpus['stopped']})." if "stopped" in corpus else ""),
            "",
        ]
    if growth := record.get("growth"):
        lines += ["| sentences fitted on | held-out loss | held-out top-1 |", "|---|---|---|"]
        lines += [
            f"| {row['sentences']:,} | {row['held_out_loss']:.5f} | {100 * row['top1']:.1f} % |"
            for row in growth
        ]
        lines += [""]
    if recipe := record.get("recipe"):
        told_recipe = ", ".join(f"{k} {v}" for k, v in recipe.items() if v not in (None, False, ""))
        lines += ["## Recipe", "", told_recipe, ""]
    if held := record.get("held_out"):
        lines += ["## Held-out English pairs", "", "| | |", "|---|---|"]
        lines += [f"| {key.replace('_', ' ')} | {_cell(value)} |" for key, value in held.items()]
        lines += [""]
    for name, rows in results(record).items():
        what = "text to item" if rows and rows[0][1].startswith("R@") else "what was made"
        lines += [f"## {name}", "", f"| language | figure | {what} |", "|---|---|---|"]
        lines += [f"| {code} | {figure} | {value:.1f} |" for code, figure, value in rows]
        lines += [""]
    return "\n".join(lines)


def card_data(record: dict[str, Any]) -> dict[str, Any]:
    """What the hub's index reads: base models, relation, languages, licence, tags."""
    found = licence(record)
    data: dict[str, Any] = {
        "library_name": "m2m-adapters",
        "pipeline_tag": "feature-extraction",
        "tags": ["m2m-adapters", "multilingual", str(record["target"]["modality"])],
        "language": languages(record),
        "license": found.licence,
    }
    if found.licence == "other":
        data["license_name"] = "terms-of-source-and-target"
    if bases := [*base_models(record, "source"), *base_models(record, "target")]:
        data |= {"base_model": bases, "base_model_relation": "adapter"}
    return data


def base_models(record: dict[str, Any], side: str) -> list[str]:
    """Ids on the hub of the source (one, or each of a fusion) or of the target."""
    provenance = record[side].get("provenance", {})
    told = [
        part["model"]
        for part in [provenance, *(provenance.get("parts") or [])]
        # A model without a revision is a folder of somebody's machine, or an imported one's name.
        if isinstance(part, dict) and isinstance(part.get("model"), str) and "digest" not in part
    ]
    found = told or [entry.model for entry in _entries(record, side) if entry.model]
    return [model for model in found if model.count("/") == 1 and model[0] not in "./~"]


def origin_name(origin: Any) -> str:
    """One origin of a corpus for people: the name of a file without its folder, or of a corpus."""
    if not isinstance(origin, dict):
        return str(origin)
    if path := origin.get("path"):
        return PurePath(str(path)).name
    words = {"stdin": "standard input", "memory": "sentences in memory"}
    return str(origin.get("name") or words.get(str(origin.get("kind")), "unknown"))


def languages(record: dict[str, Any]) -> list[str]:
    """Codes the source's entry lists, else those measured, else the word for many."""
    for entry in _entries(record, "source"):
        if isinstance(entry.languages, list):
            return [str(code) for code in entry.languages]
    measured = {code for rows in results(record).values() for code, _, _ in rows}
    return sorted(measured | {"multilingual"})


def licence(record: dict[str, Any]) -> Composed:
    """The licences of source, target and corpus, as recorded or in the registry, composed."""
    parts: dict[str, str | None] = {}
    for side in ("source", "target"):
        told = record[side].get("provenance", {}).get("licence")
        listed = [entry.licence for entry in _entries(record, side)]
        for number, value in enumerate([told] if told else listed or [None]):
            parts[side if number == 0 else f"{side} {number + 1}"] = value
    if isinstance(imported := record.get("imported"), dict):
        told = imported.get("licence")
        parts["published checkpoint"] = told if isinstance(told, str) else None
    if corpus := record.get("corpus"):
        origins = [origin_name(origin) for origin in corpus.get("origins") or []]
        for number, origin in enumerate(origins or [""]):
            entry = registry().find("corpus", origin)
            parts["corpus" if number == 0 else f"corpus {number + 1}"] = (
                entry.licence if entry else None
            )
    return compose(parts)


def results(record: dict[str, Any]) -> dict[str, list[tuple[str, str, float]]]:
    """benchmark -> rows of (language, figure, percent), of evaluations kept in the record."""
    found: dict[str, list[tuple[str, str, float]]] = {}
    told = record.get("evaluation")
    for result in told if isinstance(told, list) else []:
        try:
            name = str(result["benchmark"]["name"])
            by_code = result["systems"]["adapter"]["languages"]
            rows = [
                (str(code), str(figure), float(value[0] if isinstance(value, list) else value))
                for code, figures in by_code.items()
                for figure, value in _kept(figures)
            ]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            continue  # kept by another version of ours
        found.setdefault(name, []).extend(rows)
    return found


def _kept(figures: dict[str, Any]) -> list[tuple[str, Any]]:
    """(figure, value) of one language: of finding items, or of what was made of prompts."""
    if "text_to_item" in figures:
        return [(figure, figures["text_to_item"][figure]) for figure in ("R@1", "R@5", "R@10")]
    return list(figures.items())


def result_files(record: dict[str, Any]) -> dict[str, str]:
    """``.eval_results/NAME.yaml`` -> content, as the hub's model pages read them."""
    files = {}
    for name, rows in results(record).items():
        entries = [
            {"dataset": {"id": name, "task_id": f"{figure}/{code}"}, "value": round(value, 4)}
            for code, figure, value in rows
        ]
        plain = "".join(c if c.isalnum() or c in "-_" else "-" for c in name) or "results"
        files[f".eval_results/{plain}.yaml"] = yaml.safe_dump(entries, sort_keys=False)
    return files


def _entries(record: dict[str, Any], side: str) -> list[Entry]:
    """What registry and plugins know of a side; several for a fusion of sources."""
    name = record[side]["name"]
    if not name:
        return []
    listed = [name] if side == "target" else [term.rpartition("*")[2] for term in terms(name)]
    return [entry for one in listed if (entry := _entry(side, one.strip())) is not None]


def _entry(side: str, name: str) -> Entry | None:
    if (entry := registry().find(side, name)) is not None:
        return entry
    scheme, colon, model = name.partition(":")
    if colon:
        same = [e for e in registry().entries.values() if (e.kind, e.model) == (side, model)]
        return next((e for e in same if e.plugin == scheme), None)
    offer = catalogue().find(side, name)
    if offer is None or "licence" not in offer.details:
        return None
    return Entry(side, name, licence=offer.details["licence"])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k}: {_cell(v)}" for k, v in value.items()) or "-"
    return "-" if value is None else str(value).replace("|", "\\|").replace("\n", " ")
