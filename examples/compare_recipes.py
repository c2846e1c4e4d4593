"""Fit several recipes on the same vectors: every text is encoded once."""

import m2m_adapters as m2m

for tried in m2m.sweep(
    "tiny-text",
    "tiny-clip",
    "tiny-scene-captions",
    ["recipe=auto,closed-form"],
    max_sentences=1500,
):
    print(tried.values, tried.figures)
