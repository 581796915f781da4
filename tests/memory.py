"""The most memory a process of its own took."""

# ru_maxrss would not do: it begins with what the process was that it was made from.
PEAK = """
import re
from pathlib import Path

def peak():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
"""
