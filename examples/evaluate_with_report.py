"""Evaluate an adapter beside the target's own text tower, and write a page to look at."""

from pathlib import Path

import m2m_adapters as m2m

adapter = m2m.align("tiny-text", "tiny-clip", "tiny-scene-captions", max_sentences=1500)
result = m2m.evaluate(
    adapter, m2m.load_benchmark("tiny-scenes"), langs=["en", "fr", "tr"], baselines=["native"]
)
for system in ("adapter", "native"):
    print(system, {code: result.value(system, code) for code in ("en", "fr", "tr")})
m2m.write_report(result, Path("report.html"))
