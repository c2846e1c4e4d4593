"""Keep a vector index as it is and change the query side only: needs faiss-cpu."""

import faiss

import m2m_adapters as m2m

target = m2m.load_target("tiny-clip")
scenes = m2m.load_benchmark("tiny-scenes")
index = faiss.IndexFlatIP(target.space.dim)  # yours is filled already: faiss.read_index(...)
index.add(target.encode_items(scenes.items[:200]))

adapter = m2m.align("tiny-text", target, "tiny-scene-captions", max_sentences=1500)
queries = scenes.captions["ko"][:5]
_, rows = index.search(adapter.encode(queries), 3)
for query, hits in zip(queries, rows.tolist(), strict=True):
    print(query, "->", hits)
