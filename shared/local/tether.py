"""Becomes a command that cannot outlive the process that started it (Linux).

Run as a script by `shared.local.processes`: it binds itself to its parent, checks that the parent
is still there, and only then replaces itself with the command. So there is no moment in which the
command runs unbound, and no code runs between fork and exec in a parent that may have threads. It
is standard library only, and starts without site-packages.

The kernel watches the parent's *thread* that forked: start commands from one that stays.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAP_VERSION_3 = 0x20080522

CANNOT_START = 127


def main(arguments: list[str]) -> None:
    """`<parent pid> <signal when it dies> <uid:gid or -> <command> <argument>...`."""
    parent, death, account, *command = arguments
    if account != "-":
        _become(*(int(number) for number in account.split(":")))
    bind(int(parent), int(death))
    _default_signals()
    os.execv(command[0], command)  # noqa: S606  (no shell: that is the point)


def bind(parent: int, death: int) -> None:
    """From now on the end of `parent` sends us `death`; if it has ended already, so do we."""
    if sys.platform == "linux":
        _prctl(PR_SET_PDEATHSIG, death)
    if os.getppid() != parent:
        sys.exit("the process that started this command is gone")


def _default_signals() -> None:
    """Python ignores these two, and what is ignored stays ignored in the command."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)


def _become(uid: int, gid: int) -> None:
    """Another user, who can still reach files below directories that are only root's.

    Postgres refuses to run as root, but its binaries and data may lie below root's home: opening
    that to everybody would be the worse way.
    """
    on_linux = sys.platform == "linux"
    if on_linux:
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if on_linux:
        _keep_capability(CAP_DAC_OVERRIDE)


def _keep_capability(capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
    bit = 1 << capability
    effective_permitted_inheritable = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, effective_permitted_inheritable) != 0:
        _say_last_error("capset")
        return
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, *values: int) -> None:
    words = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    if ctypes.CDLL(None, use_errno=True).prctl(option, *words) != 0:
        _say_last_error(f"prctl {option}")


def _say_last_error(call: str) -> None:
    reason = os.strerror(ctypes.get_errno())
    sys.stderr.write(f"tether: {call}: {reason}\n")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except OSError as error:
        sys.stderr.write(f"tether: {error}\n")
        sys.exit(CANNOT_START)
