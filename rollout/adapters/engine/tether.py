"""Start a program that dies with us, however we die.

On Linux the program is started through this file: it asks the kernel for a SIGKILL at its parent's
death (prctl 2, PR_SET_PDEATHSIG, kept across exec), then becomes the program. A small program
instead of `preexec_fn`, which is unsafe beside threads. The request is tied to the *thread* that
started it: start tethered programs from a thread that lives as long as they should.
Elsewhere no such request exists: there a program outlives a killed parent, and must be ended by
the process id in its pid file.
"""

import os
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
_SIGKILL = 9


def tethered(argv: Sequence[str]) -> list[str]:
    """Command line that runs `argv` (a full path first) tethered to the process that starts it."""
    if sys.platform != "linux":
        return list(argv)
    # -I -S: no site packages and no environment; the interpreter is there for 15 ms
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv]


def tie(parent: int) -> None:
    """Let this process die with its parent, whose id is `parent`; elsewhere than on Linux it cannot be."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415 - only the small process needs it

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before the request was made
        sys.exit(1)


def main(parent: int, argv: Sequence[str]) -> None:
    """Tie this process to its parent, then become the program."""
    tie(parent)
    os.execv(argv[0], list(argv))  # noqa: S606 - becoming the program is the point; no shell


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
