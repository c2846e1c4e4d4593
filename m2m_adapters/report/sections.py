"""The parts of a page about an evaluation: table, bars, map of meanings, queries."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from m2m_adapters._internal.languages import language
from m2m_adapters._internal.spelling import counted
from m2m_adapters.artifact.record import Record
from m2m_adapters.evaluation.scoring import Evaluation
from m2m_adapters.interfaces import Vectors, normalize
from m2m_adapters.report import charts
from m2m_adapters.report.media import image_uri, media
from m2m_adapters.report.page import html_table
from m2m_adapters.report.tables import rows_of
from m2m_adapters.report.trust_tables import trust_tables

LISTED = 20  # names of items that were left out


def results(evaluation: Evaluation) -> str:
    """R@k of the adapter in every language, R@10 of every other system beside it."""
    systems = evaluation.to_dict()["systems"]
    own = systems["adapter"]
    others = {name: value for name, value in systems.items() if name != "adapter"}
    header, rows = rows_of(evaluation)
    sums = len(rows) - len(own["languages"])
    notes = "".join(
        f"<li><b>{escape(name)}</b>: {escape(value['what'])}</li>" for name, value in others.items()
    )
    agreed = own["consistency"].get("all pairs")
    agree = (
        f"Queries for the same item in two languages share {agreed:.0f} % of their first ten "
        "results. "
        if agreed is not None
        else ""
    )
    return (
        html_table(header, rows, strong=sums)
        + f'<p class="note">{counted(len(evaluation.benchmark.items), "item")}, text to item '
        f"unless noted, protocol {escape(evaluation.protocol)}; ties count against; intervals by "
        f"bootstrap over items. {agree}</p>" + (f'<ul class="note">{notes}</ul>' if notes else "")
    )


def language_bars(evaluation: Evaluation) -> str:
    """R@10 by language with intervals; the dashed line is the target's own English."""
    systems = evaluation.to_dict()["systems"]
    rows = []
    for code, directions in systems["adapter"]["languages"].items():
        value, low, high = directions["text_to_item"]["R@10"]
        rows.append((language(code).name, value, low, high))
    mark = None
    if "native" in systems and "en" in systems["native"]["languages"]:
        mark = systems["native"]["languages"]["en"]["text_to_item"]["R@10"][0]
    title = "R@10 by language" + (" (dashed: the target's own English)" if mark else "")
    return f"<figure>{charts.bars(rows, title=title, mark=mark)}<figcaption>{escape(title)}.</figcaption></figure>"  # noqa: E501


def loss_curve(record: Record) -> str:
    """Held-out loss while the projector was learned."""
    points = [(p.epoch, p.held_out_loss) for p in record.curve if p.held_out_loss is not None]
    title, unit = "Held-out loss; epoch 0 is the closed form", "epochs"
    if len(points) < 2:  # a closed form has no epochs: how the loss fell with more sentences
        points = [(p.sentences, p.held_out_loss) for p in record.growth]
        title, unit = "Held-out loss with more English sentences", "sentences"
    if len(points) < 2:
        return ""
    drawn = charts.curve(points, title=title, x_name=unit, y_name="held-out loss")
    return f"<figure>{drawn}<figcaption>{title}.</figcaption></figure>"


def meaning_map(evaluation: Evaluation, before: dict[str, Vectors], chosen: Sequence[int]) -> str:
    """Captions of a few items in all languages around those items, before and after."""
    after = evaluation["adapter"].vectors
    pictures = [
        image_uri(evaluation.benchmark.items[i], 34)
        if evaluation.benchmark.modality == "image"
        else ""
        for i in chosen
    ]

    def drawn(vectors: dict[str, Vectors], title: str) -> str:
        codes = list(vectors)
        # Texts and items form separate clusters here, so each is centered on its own mean.
        items = normalize(evaluation.items)
        anchors = (items - items.mean(0))[list(chosen)]
        texts = []
        for code in codes:
            rows = normalize(vectors[code])
            texts.append((rows - rows.mean(0))[list(chosen)])
        flat = plane(anchors, np.concatenate(texts))
        places = [(float(x), float(y)) for x, y in flat]
        anchored = [(*place, pictures[n]) for n, place in enumerate(places[: len(chosen)])]
        captions = evaluation.benchmark.captions
        dots = [
            (*places[len(chosen) * (1 + number) + n], n, f"{code}: {captions[code][i]}")
            for number, code in enumerate(codes)
            for n, i in enumerate(chosen)
        ]
        chart = charts.scatter(anchored, dots, title=title)
        return f"<figure>{chart}<figcaption>{escape(title)}</figcaption></figure>"

    caption = (
        "Each frame is an item. Dots of the same color are its captions in "
        f"{len(after)} languages (hold the pointer over a dot to read it). Both halves show the "
        "two directions in which the items differ most."
    )
    return (
        f'<div class="pair">{drawn(before, "Before: vectors of the source")}'
        f"{drawn(after, 'After: vectors mapped by the projector')}</div>"
        f'<p class="note">{caption}</p>'
    )


def plane(anchors: Vectors, texts: Vectors) -> Vectors:
    """All rows in the plane that shows the anchors best: float32 ``[n, 2]``."""
    _, _, axes = np.linalg.svd(anchors, full_matrices=False)
    return np.asarray(np.concatenate([anchors, texts]) @ axes[:2].T)


def compared(evaluation: Evaluation) -> str:
    """Each other system against the adapter, paired by item: difference in R@10 with interval."""
    rows = []
    for name, groups in evaluation.to_dict()["compared with the adapter"].items():
        for group, directions in groups.items():
            row = directions["text_to_item"]["R@10"]
            cells = (row["difference"], row["low"], row["high"])
            rows.append([name, group, *(f"{value:+.1f}" for value in cells), f"{row['p']:.3g}"])
    if not rows:
        return ""
    header = ["against the adapter", "languages", "R@10", "low", "high", "p"]
    return "<h3>Differences, paired by item</h3>" + html_table(header, rows)


def recall_curves(evaluation: Evaluation) -> str:
    """R@k over k for the adapter, all languages together, and its rivals."""
    lines = []
    for one in evaluation.scored[:6]:
        group = one.averages()["all languages"]["text_to_item"].to_dict()
        points = []
        for k in (1, 5, 10):
            cell = group[f"R@{k}"]
            assert isinstance(cell, list)
            points.append((float(k), float(cell[0])))
        lines.append((one.system.name, points))
    title = "R@k, mean of all languages"
    return (
        f"<figure>{charts.lines(lines, title=title, x_name='k')}"
        f"<figcaption>{title}.</figcaption></figure>"
    )


def queries(
    evaluation: Evaluation,
    asked: Sequence[tuple[str, int]],
    *,
    shown: int = 5,
    system: str = "adapter",
) -> str:
    """Queries, (language, caption number), with their first hits; the right item and its rank
    come last where they are not among them."""
    bench = evaluation.benchmark
    parts = []
    for code, place in asked:
        known = language(code)
        own = int(bench.owners[code][place])
        hits = [int(hit) for hit in evaluation[system].top[code][place][:shown]]
        items = "".join(_hit(evaluation, hit, right=hit == own) for hit in hits)
        if own not in hits:
            rank = int(evaluation[system].ranks[code][place])
            items += _hit(evaluation, own, right=True, caption=f"right item, rank {rank:,}")
        english = ""
        if code != "en" and "en" in bench.captions:
            meant = np.flatnonzero(bench.owners["en"] == own)
            if len(meant):
                english = f" &middot; {escape(bench.captions['en'][int(meant[0])])}"
        parts.append(
            f'<div class="query"><p class="said" lang="{escape(code)}" '
            f'dir="{known.direction}">{escape(bench.captions[code][place])}</p>'
            f'<p class="lang">{escape(known.name)}{english}</p>'
            f'<div class="found">{items}</div></div>'
        )
    return "".join(parts)


def _hit(evaluation: Evaluation, item: int, *, right: bool, caption: str = "") -> str:
    bench = evaluation.benchmark
    drawn = media(bench.items[item], bench.modality, bench.item_name(item))
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="{"right" if right else "other"}">{drawn}{below}</figure>'


def trust(evaluation: Evaluation) -> str:
    """Averages by script and family, and the trust report, a table each."""
    lines = evaluation.to_dict().get("trust", {}).get("summary", ())
    parts = [f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""]
    for one in trust_tables(evaluation):
        drawn = html_table(one.header, one.rows) if one.rows else ""
        parts.append(f"<h3>{escape(one.title)}</h3>{drawn}<p class='note'>{escape(one.note)}</p>")
    return "<h2>Trust report</h2>" + "".join(parts)


def left_out(evaluation: Evaluation) -> str:
    """Items that were published but are not among those measured, and why."""
    bench = evaluation.benchmark
    lines = [f"{name}: missing" for name in bench.missing]
    lines += [f"{name}: {reason}" for name, reason in bench.unreadable.items()]
    if not lines:
        return ""
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines[:LISTED])
    if len(lines) > LISTED:
        listed += f"<li>and {len(lines) - LISTED:,} more</li>"
    return f"<h3>Left out: {counted(len(lines), 'item')}</h3><ul class='note'>{listed}</ul>"
