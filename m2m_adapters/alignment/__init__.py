"""English sentences and two encoders -> a fitted projector.

Holds everything that learns: pairs, closed form, training, recipes, sweeps. Imports embeddings,
artifact, corpus, models, registry, projectors and what is below them.
"""
