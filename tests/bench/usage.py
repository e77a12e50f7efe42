"""CPU time and memory of a plant's processes, children included, by group of services."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import psutil

from shared.domain.values import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping

STAGES = frozenset(map(str, Stage))
LOAD = "load generator"
GROUPS = ("stages", "gateway", "projector", "nats-server", "postgres")
MEGABYTE = 1_000_000


def group_of(name: str) -> str:
    """The group a process is counted in."""
    return "stages" if name in STAGES else name


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds used so far, by group; this very process is the load generator."""
    used: defaultdict[str, float] = defaultdict(float)
    for name, pid in pids.items():
        used[group_of(name)] += _tree_seconds(pid)
    own = psutil.Process().cpu_times()
    used[LOAD] = own.user + own.system
    return dict(used)


def difference(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was used in between; never less than nothing, should a process have been replaced."""
    return {name: max(0.0, used - before.get(name, 0.0)) for name, used in after.items()}


def memory_mb(pids: Mapping[str, int]) -> dict[str, float]:
    """Resident memory by process, in MB. Postgres shares its buffers between processes, so its sum
    counts them more than once."""
    return {
        name: sum(each.memory_info().rss for each in _tree(pid)) / MEGABYTE
        for name, pid in pids.items()
    }


def machine_seconds() -> float:
    """CPU seconds the whole machine was busy so far."""
    told = psutil.cpu_times()
    return sum(told) - told.idle - getattr(told, "iowait", 0.0) - getattr(told, "guest", 0.0)


def _tree(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def _tree_seconds(pid: int) -> float:
    """Of a process, its children, and the children it has seen end."""
    root, *children = _tree(pid)
    ended = root.cpu_times()
    return ended.children_user + ended.children_system + sum(map(_seconds, [root, *children]))


def _seconds(process: psutil.Process) -> float:
    try:
        told = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return told.user + told.system
