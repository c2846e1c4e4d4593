import os
import sys
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parent))  # for api_server
sys.path.insert(0, str(Path(__file__).parents[3] / "tests"))  # for serving
