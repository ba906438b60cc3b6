"""How much memory this process has used at most."""

import resource
import sys
from pathlib import Path


def peak_mib() -> float:
    """Linux counts since the process's own program began; elsewhere what the system says of the process as a whole."""
    status = Path("/proc/self/status")
    if status.exists():
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1]) / 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
