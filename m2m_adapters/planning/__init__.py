"""What to expect before anything is downloaded: forecasts per language, and recommendations.

Facts are data files in this package, each value with its source: ``published_figures.csv`` and
``model_facts.json``. Nothing here loads a model, except for measuring parallel sentences.
"""
