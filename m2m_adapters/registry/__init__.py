"""Names -> models, corpora and benchmarks: plugins, registry.yaml, fusion, doctor.

Imports hookspecs, interfaces, _internal and errors only.
"""
