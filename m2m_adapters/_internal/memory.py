"""How much memory this process has needed at most."""

from __future__ import annotations

import sys


def peak_memory() -> dict[str, int]:
    """Bytes at most so far: ``process``, and ``gpu`` where torch has used one."""
    peaks: dict[str, int] = {}
    try:
        import resource
    except ImportError:  # Windows
        pass
    else:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peaks["process"] = most if sys.platform == "darwin" else most * 1024
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        peaks["gpu"] = sum(
            torch.cuda.max_memory_allocated(number) for number in range(torch.cuda.device_count())
        )
    return peaks
