"""English sentences from files, folders, standard input, plugins and the registry.

Imports registry and what is below it.
"""
