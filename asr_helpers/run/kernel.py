"""The kernel that the runner starts: this Python, whichever one is installed under the name ``python3``."""

from __future__ import annotations

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec

from .environment import unless_set

__all__ = ["ThisPython"]


QUIET = "--log-level=CRITICAL"  # it would warn of every kernel on the loopback interface, and of every interrupt

NO_DEBUGGER_HINTS = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # ipykernel 6 prints four lines of them at every start


class ThisPython(AsyncKernelManager):
    """Starts a kernel in the environment that runs the runner: a user's own ``python3`` kernel may be another."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """How the kernel is started."""
        return KernelSpec(**get_kernel_dict([QUIET]), env=NO_DEBUGGER_HINTS | unless_set())
