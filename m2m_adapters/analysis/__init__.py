"""How similar languages and modalities are inside encoders, by layer, and what a map does.

``measures`` compare two sets of paired vectors, ``uncertainty`` says how far to trust a figure,
``layers`` reads encoders layer by layer, and each study answers one question with them. Imports
artifact, embeddings, corpus and what lies below; a benchmark is handed in.
"""
