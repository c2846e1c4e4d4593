"""Forecasts per language and recommendations, before anything is downloaded.

Facts are data files in this package, each value with its source: ``published_figures.csv`` and
``model_facts.json``. Nothing here loads a model, except for measuring parallel sentences.
"""
