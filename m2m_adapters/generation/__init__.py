"""Pictures, sounds and videos from prompts, into a folder.

Imports artifact and what is below it.
"""
