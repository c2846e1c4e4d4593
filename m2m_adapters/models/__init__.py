"""The kit for authors of encoders: batching, items, images, sounds, devices, weights.

Public: plugins build on this package. Imports interfaces, _internal and errors only.
"""
