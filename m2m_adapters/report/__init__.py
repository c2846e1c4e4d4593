"""Self-contained HTML pages with tables, charts, pictures and sounds."""
