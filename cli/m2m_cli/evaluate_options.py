"""Options of ``m2m evaluate``."""

from __future__ import annotations

import typer

ADAPTER = typer.Argument(..., help="An adapter: its folder, registry name or hub id.")
BENCHMARK = typer.Option(
    None, "--benchmark", "-b", help="A name (`m2m list --benchmarks`), or your folder or table."
)
DATA = typer.Option(None, "--data", help="Folder of a published benchmark.")
ITEMS = typer.Option(None, "--items", help="Folder of its pictures or sounds.")
SPLIT = typer.Option(None, "--split", help="Which part of it.")
ALLOW_MISSING = typer.Option(False, "--allow-missing", help="Leave out items that are not there.")
SKIP_BAD = typer.Option(
    False, "--skip-bad", help="Leave out items that cannot be read, and name them."
)
SUITE = typer.Option(None, "--suite", help="mteb, instead of a benchmark.")
TASKS = typer.Option(None, "--tasks", help="Tasks of the suite, separated by commas.")
LANGS = typer.Option(None, "--langs", help="Languages, e.g. en,de,ja; all by default.")
BASELINES = typer.Option(
    False, "--baselines", help="Compare with native, unaligned, procrustes and ridge."
)
BASELINE = typer.Option(None, "--baseline", help="Compare with one of these; repeatable.")
AGAINST = typer.Option(
    None, "--against", help="Compare with another adapter to the same target; repeatable."
)
CORRECT = typer.Option(
    None,
    "--correct",
    help="Also with a correction: csls, qb-norm, centered, lir, lsar; repeatable.",
)
NO_BANK = typer.Option(
    False, "--no-bank", help="Leave out the English bank, which corrects items near to everything."
)
TRUST_REPORT = typer.Option(
    True,
    "--trust/--no-trust",
    help="Trust report: English before and after, agreement of languages, mixed queries, false "
    "friends. Encodes captions three times instead of once.",
)
FALSE_FRIENDS = typer.Option(
    False, "--false-friends", help="Only the probe of false friends; needs no benchmark."
)
PROTOCOL = typer.Option("all", "--protocol", help="all, xtd or clip-benchmark.")
TEXTS = typer.Option(
    None, "--texts", help="English text for fitted baselines; the adapter's corpus by default."
)
REPORT = typer.Option(
    None, "--report", help="Also write a report: .html, .json, .md or .tex; repeatable."
)
KEEP = typer.Option(False, "--keep", help="Write the results into the adapter's record and card.")
SCORER = typer.Option(
    None, "--scorer", help="Dual encoder that judges what a generator makes, e.g. clip."
)
REFERENCE_ITEMS = typer.Option(
    None, "--reference-items", help="Folder of real items, for the FID and KID of a generator."
)
LIMIT = typer.Option(None, "--limit", help="Only the first prompts, for a generator.")
STEPS = typer.Option(None, "--steps", help="Denoising steps of a generator.")
BATCH_SIZE = typer.Option(None, "--batch-size", help="Prompts generated at once.")
SEED = typer.Option(0, "--seed", help="Seed of the bootstrap and of a generator's noise.", min=0)
