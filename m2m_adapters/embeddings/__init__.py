"""Vectors on disk: the store that serves every later run, and datasets of any size.

Imports artifact, corpus, models, registry and what is below them.
"""
