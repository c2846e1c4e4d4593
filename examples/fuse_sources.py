"""Two sources as one: their vectors stand side by side, and the map weighs them.

With models of the hub: "mpnet+labse".
"""

import m2m_adapters as m2m

both = m2m.load_source("tiny-text+toy-source")
print(both.dim, "columns")
adapter = m2m.align("tiny-text+toy-source", "tiny-clip", "tiny-scene-captions", max_sentences=1500)
print(adapter.encode(["ein roter Kreis"]).shape)
