"""Align a multilingual encoder to an English-only CLAP, and measure it in three languages."""

import m2m_adapters as m2m

adapter = m2m.align("tiny-text", "tiny-clap", "tiny-sound-captions", max_sentences=1500)
result = m2m.evaluate(adapter, m2m.load_benchmark("tiny-sounds"), langs=["en", "de", "hi"])
for language in ("en", "de", "hi"):
    print(f"{language}: R@10 {result.value('adapter', language):.1f}")
