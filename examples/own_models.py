"""A source and a target of your own, as plain objects: no plugin, no registration."""

import numpy as np

import m2m_adapters as m2m


class Letters(m2m.TextEncoder):
    """Counts letters; any real encoder has the same two members."""

    dim = 26

    def encode(self, texts, **options):
        rows = np.full((len(texts), self.dim), 0.01, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for letter in text.lower():
                if "a" <= letter <= "z":
                    row[ord(letter) - ord("a")] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Pairs(Letters):
    """The same letters, seen from elsewhere: a fixed rotation of the space."""

    def encode(self, texts, **options):
        rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(26, 26)))
        return (super().encode(texts) @ rotation).astype(np.float32)


class Words(m2m.ModalityModel):
    """A target whose items are words."""

    modality = "words"

    @property
    def text(self):
        return Pairs()

    def encode_items(self, items, **options):
        return self.text.encode([str(item) for item in items])


corpus = m2m.read_corpus("toy-sentences", max_sentences=500)
adapter = m2m.align(Letters(), Words(), list(corpus.sentences), store=False)
scores = adapter.similarity(adapter.encode("a dog barks"), adapter.encode_items(["dog", "violin"]))
print(scores.round(2))
