"""Align a multilingual encoder to an English-only CLIP, then find pictures in other languages.

The tiny models stand in for real ones: put e.g. "mpnet" and "clip-b32" in their place.
"""

import m2m_adapters as m2m

adapter = m2m.align("tiny-text", "tiny-clip", "tiny-scene-captions", max_sentences=1500)
adapter.save("tiny-images")

scenes = m2m.load_benchmark("tiny-scenes")  # pictures with captions in 13 languages
pictures = adapter.encode_items(scenes.items[:200])
for language in ("de", "ja", "ar"):
    query = scenes.captions[language][0]  # a caption of picture 0
    scores = adapter.similarity(adapter.encode(query), pictures)[0]
    print(f"{language}: {query!r} finds picture {scores.argmax()}")
