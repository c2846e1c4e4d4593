"""Export the map as a matrix, and apply it with numpy alone."""

import numpy as np

import m2m_adapters as m2m

adapter = m2m.align(
    "tiny-text", "tiny-clip", "tiny-scene-captions", max_sentences=1500, recipe="closed-form"
)
m2m.export(adapter, "numpy", "map.npz")

text = ["ein roter Kreis"]
x = adapter.source.encode(text)  # from wherever your encoder runs
x = x / np.linalg.norm(x, axis=1, keepdims=True)
with np.load("map.npz") as file:
    y = x @ file["W"].T + file["b"]
y = y / np.linalg.norm(y, axis=1, keepdims=True)
print("largest difference:", float(np.abs(y - adapter.encode(text)).max()))
