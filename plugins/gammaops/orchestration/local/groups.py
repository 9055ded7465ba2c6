"""Process groups: every component leads one, and stopping means that nothing of it is left."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

__all__ = ["die_with_parent", "signal_group", "signal_process", "wait_gone"]

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for a SIGTERM when the parent dies, however it dies (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def signal_process(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a component's first process alone."""
    with suppress(ProcessLookupError):
        process.send_signal(number)


def wait_gone(processes: Sequence[subprocess.Popen[bytes]], seconds: float) -> None:
    """Wait until nothing is left of these components, but no longer than this."""
    deadline = time.monotonic() + seconds
    while any(_group_alive(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.1)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to the whole session of a component."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _group_alive(process: subprocess.Popen[bytes]) -> bool:
    """Whether any process of the component's group is left; its own zombie is reaped first."""
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
