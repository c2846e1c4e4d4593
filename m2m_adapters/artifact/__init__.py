"""The adapter as a folder: written, read without trust, published and imported.

Imports models, registry, projectors and what is below them.
"""
