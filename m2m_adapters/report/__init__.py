"""Pages to look at: self-contained HTML with tables, charts, pictures and sounds."""
