"""The name of this machine's processor."""

import platform
from pathlib import Path


def processor_name() -> str:
    """Return the processor's name, such as ``Intel(R) Xeon(R) Processor``, or words that say what is known of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "an unnamed processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
