"""An HTTP server for indexes: a search page, a search API and OpenAI's embeddings API.

Needs the extra ``serve``; nothing here is imported before it is used.
"""
