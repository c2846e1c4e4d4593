"""The commands of ``m2m``: their names, homes and summaries."""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """Where a command is, and the first line of its help, so that listing it imports nothing."""

    module: str
    attribute: str
    summary: str


# In the order a newcomer meets them.
COMMANDS = {
    "demo": Entry(
        "demo",
        "demo",
        "Align the tiny models from English alone, evaluate 13 languages, write a page. Offline.",
    ),
    "recommend": Entry(
        "recommend",
        "recommend",
        "Rank sources and targets by forecast R@10, with size, license, speed. Downloads nothing.",
    ),
    "forecast": Entry(
        "forecast",
        "forecast",
        "Forecast R@10 per language from published figures. Downloads nothing without --parallel.",
    ),
    "align": Entry(
        "align",
        "align",
        "Learn the map from a source to a target from English sentences alone.",
    ),
    "adapt": Entry(
        "adapt",
        "adapt",
        "Improve an adapter for some languages with plain text in them, without translations.",
    ),
    "encode": Entry(
        "encode",
        "encode",
        "Encode texts of any language (or items) into the space of an adapter or model.",
    ),
    "embed": Entry(
        "embed",
        "embed",
        "Encode a corpus of any size into parquet files; an interrupted run can be resumed.",
    ),
    "evaluate": Entry(
        "evaluate",
        "evaluate",
        "Measure retrieval per language (R@1/5/10 both ways, 95% intervals), or score a generator.",
    ),
    "analyze": Entry(
        "analyze",
        "analyze",
        "Compare an encoder's languages and modalities layer by layer, or look inside an adapter.",
    ),
    "compare": Entry(
        "compare",
        "compare",
        "Compare two encoders: how similar their spaces are, and which retrieves better.",
    ),
    "index": Entry(
        "index",
        "index",
        "Index photos or sounds, so that `m2m search` finds them by text in any language.",
    ),
    "search": Entry("search", "search", "Find photos or sounds by text in any language."),
    "serve": Entry(
        "serve",
        "serve",
        "Serve indexes: a search page at /, POST /search, and POST /v1/embeddings.",
    ),
    "generate": Entry(
        "generate",
        "generate",
        "Generate pictures (.png), sounds (.wav) or videos (.mp4) from prompts in any language.",
    ),
    "reproduce": Entry(
        "reproduce",
        "reproduce",
        "Reproduce a result of the M2M paper, and print the new figures beside the published ones.",
    ),
    "fetch": Entry(
        "fetch",
        "fetch",
        "Download a published benchmark or corpus; run again to continue an interrupted download.",
    ),
    "import": Entry(
        "import_checkpoint",
        "import_checkpoint",
        "Convert a checkpoint published with the M2M paper into an adapter.",
    ),
    "export": Entry(
        "export",
        "export",
        "Convert an adapter for other programs; the result is loaded again and compared.",
    ),
    "push": Entry(
        "hub",
        "push",
        "Publish an adapter on the Hugging Face Hub: weights, record, card and results.",
    ),
    "pull": Entry(
        "hub",
        "pull",
        "Download an adapter from the Hugging Face Hub into a folder, and verify its digest.",
    ),
    "cache": Entry(
        "cache", "cache", "Show, check and shrink the store of embeddings and int8 models."
    ),
    "list": Entry(
        "catalogue",
        "list_names",
        "List all known models, corpora, benchmarks and adapters, with what each needs installed.",
    ),
    "plugins": Entry(
        "catalogue",
        "plugins",
        "Show the installed plugins, what they offer, and which of them are broken.",
    ),
    "new-plugin": Entry(
        "new_plugin",
        "new_plugin",
        "Create a new plugin from a template: a package with tests, ready to install.",
    ),
    "doctor": Entry(
        "doctor",
        "doctor",
        "Check this installation: Python, libraries, devices, caches, plugins.",
    ),
}
