"""The learned maps behind one protocol: affine for sentence vectors, attention for token states.

Imports interfaces, _internal and errors only.
"""
