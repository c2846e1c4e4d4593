"""The browser of the project's own tests, for the demonstration's page."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))

from browser import chromium, open_page  # noqa: F401  fixtures
