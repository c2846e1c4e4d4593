"""Options of ``m2m evaluate``."""

from __future__ import annotations

import typer

ADAPTER = typer.Argument(..., help="An adapter: its folder, registry name or hub id.")
BENCHMARK = typer.Option(
    None,
    "--benchmark",
    "-b",
    help="A name from `m2m list --benchmarks`, or your own folder or table.",
)
DATA = typer.Option(None, "--data", help="Folder of a published benchmark's files.")
ITEMS = typer.Option(None, "--items", help="Folder of the benchmark's pictures or sounds.")
SPLIT = typer.Option(None, "--split", help="Split of the benchmark, e.g. test.")
ALLOW_MISSING = typer.Option(False, "--allow-missing", help="Skip items whose files are missing.")
SKIP_BAD = typer.Option(False, "--skip-bad", help="Skip items that cannot be read, and list them.")
SUITE = typer.Option(None, "--suite", help="A suite of tasks instead of a benchmark: mteb.")
TASKS = typer.Option(None, "--tasks", help="Tasks of the suite, comma-separated.")
LANGS = typer.Option(None, "--langs", help="Languages, e.g. en,de,ja; all by default.")
BASELINES = typer.Option(
    False,
    "--baselines",
    help="Compare with all baselines: native, unaligned, procrustes and ridge.",
)
BASELINE = typer.Option(None, "--baseline", help="Compare with one baseline; repeatable.")
AGAINST = typer.Option(
    None, "--against", help="Compare with another adapter to the same target; repeatable."
)
RERANK = typer.Option(
    None,
    "--rerank",
    help="Adapter to a model that reads text and item together (joint:...): also report recall "
    "after it has reranked the first 50 hits.",
)
CORRECT = typer.Option(
    None,
    "--correct",
    help="Also report results with corrected scores: csls, qb-norm, centered, lir or lsar; "
    "repeatable.",
)
NO_BANK = typer.Option(
    False,
    "--no-bank",
    help="Do not use the English bank, which lowers the scores of items that match every query.",
)
TRUST_REPORT = typer.Option(
    True,
    "--trust/--no-trust",
    help="Add the trust report: change in English, agreement of languages, mixed-language queries, "
    "false friends. Encodes captions three times instead of once.",
)
FALSE_FRIENDS = typer.Option(
    False, "--false-friends", help="Only test false friends; needs no benchmark."
)
PROTOCOL = typer.Option(
    "all",
    "--protocol",
    help="Which captions are queries: all, xtd (caption i for item i), or clip-benchmark (the "
    "first caption of each item).",
)
TEXTS = typer.Option(
    None,
    "--texts",
    help="English text to fit baselines on, or from which --judge measures the variance of the "
    "source's vectors; by default the adapter's corpus.",
)
REPORT = typer.Option(
    None, "--report", help="Write a report: .html, .json, .md or .tex; repeatable."
)
KEEP = typer.Option(False, "--keep", help="Write the results into the adapter's record and card.")
SCORER = typer.Option(
    None, "--scorer", help="For a generator: dual encoder that scores what it generates, e.g. clip."
)
REFERENCE_ITEMS = typer.Option(
    None, "--reference-items", help="For a generator: folder of real items, for FID and KID."
)
JUDGE = typer.Option(
    None,
    "--judge",
    help="For a generator: 'denoiser' compares the noise predicted from the adapter's output "
    "with the noise predicted from the model's own encoding of the same English prompt.",
)
LIMIT = typer.Option(
    None, "--limit", help="For a generator: use at most this many prompts, the first ones."
)
STEPS = typer.Option(
    None,
    "--steps",
    help="For a generator: number of denoising steps; with --judge, of noise levels.",
)
BATCH_SIZE = typer.Option(None, "--batch-size", help="For a generator: prompts per batch.")
SEED = typer.Option(
    0, "--seed", help="Seed of the bootstrap and of a generator's noise.", min=0, max=2**63 - 1
)
