"""Helpers that every package needs: files, progress, languages, processes.

Imports errors only.
"""
