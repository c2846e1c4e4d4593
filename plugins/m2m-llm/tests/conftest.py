import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[1]))  # llm finds plugins by entry points only
sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))  # for toy_media
