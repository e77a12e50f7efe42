"""A process that was forked shows the command line and the environment it was given, as one that
was executed does (Linux).

The kernel reads both from the process's own memory: it is told where they lie now.
"""

from __future__ import annotations

import ctypes
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PR_SET_MM = 35
PR_SET_MM_MAP = 14
NO_EXECUTABLE = -1
"""The map may name another program file: this one names none."""

_shown: list[ctypes.Array[ctypes.c_char]] = []
"""What the kernel reads must stay where it is, as long as the process lives."""


def show(argv: Sequence[str], environ: Mapping[str, str], name: str) -> None:
    """Be seen as `argv` with `environ`, and as `name` where there is room for a word only.

    Raises `OSError` where the kernel does not let a process say so.
    """
    arguments = _ended_by_nul(argv)
    variables = _ended_by_nul(f"{key}={value}" for key, value in environ.items())
    whole = ctypes.create_string_buffer(arguments + variables, len(arguments) + len(variables))
    start = ctypes.addressof(whole)
    _map(start, start + len(arguments), start + len(whole))
    _shown.append(whole)
    Path("/proc/self/comm").write_text(name)


def _ended_by_nul(words: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(word) + b"\0" for word in words)


def _map(arguments: int, variables: int, end: int) -> None:
    """Everything but the arguments and the variables stays as it is (`struct prctl_mm_map`)."""
    known = _numbers_of_this_process()
    code, data, heap = known[26:28], known[45:47], known[47]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    strings = (arguments, variables, variables, end)
    addresses = (*code, *data, heap, libc.sbrk(0), known[28], *strings)
    told = struct.pack("=11QQIi", *addresses, 0, 0, NO_EXECUTABLE)
    if libc.prctl(PR_SET_MM, PR_SET_MM_MAP, told, ctypes.c_ulong(len(told)), ctypes.c_ulong(0)):
        reason = os.strerror(ctypes.get_errno())
        raise OSError(ctypes.get_errno(), f"the kernel keeps the command line: {reason}")


def _numbers_of_this_process() -> list[int]:
    """The fields of /proc/self/stat under the numbers that proc(5) gives them; what comes before
    the third is no number."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return [0, 0, 0, 0, *(int(field) for field in fields[1:])]
