"""Search photos and sounds by text in any language: build an index, open it, ask it.

An index belongs to a target. Every adapter to that target, and the target's own towers, can
query it. ``build`` writes, ``index`` reads; nothing here knows servers or pages of other packages.
"""
