"""Pictures and sounds from prompts, into a folder.

Imports artifact and what is below it.
"""
