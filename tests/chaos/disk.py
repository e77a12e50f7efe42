"""Disks of a server's own: ext4 file systems in files, which lose their power or are filled.

The server mounts it itself, in a mount namespace that ends with it: nothing stays mounted, however
a drill ends. For that a drill must be root and have loop devices.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from shared.local.processes import Command
    from tests.chaos.cluster import Node

FREE_WITHIN_S = 20.0
LOOK_EVERY_S = 0.02
MOUNTED = 'mount -o loop "$1" "$2" && shift 2 && exec "$@"'
TOOLS = ("mkfs.ext4", "mount", "unshare", "losetup")
BALLAST = "ballast"
BLOCK = bytes(1024 * 1024)


def need(*tools: str, loop_devices: bool = False) -> None:
    """Skip, with the reason, where a drill cannot be held; where CI is claimed it must be."""
    lacking = [f"the command {tool}" for tool in tools if shutil.which(tool) is None]
    if os.geteuid() != 0:
        lacking.append("to be root")
    if loop_devices and not Path("/dev/loop-control").exists():
        lacking.append("loop devices")
    if not lacking:
        return
    reason = f"this drill needs {', '.join(lacking)}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Disk:
    """A file system in the file `image`, which a server mounts over `where`."""

    image: Path
    where: Path

    def run_as(self, command: Command) -> Command:
        """The same command, with this disk mounted for it alone."""
        mounting = ("/bin/sh", "-c", MOUNTED, "sh", str(self.image), str(self.where))
        return replace(
            command,
            argv=(_path_of("unshare"), "--mount", *mounting, *command.argv),
            env={**command.env, "PATH": os.environ["PATH"]},
        )

    def cut_power(self, node: Node, copy: Path) -> None:
        """Copy what a machine would find after losing its power now.

        What was not flushed is in the server's memory and the kernel's, and stays there. The server
        stands still for as long as the copy takes: a copy is made block by block, and a power cut
        at one moment.
        """
        node.pause()
        try:
            shutil.copyfile(self.image, copy)
        finally:
            node.resume()

    def fill(self, node: Node) -> None:
        """Have somebody else take all the room that is left."""
        with self._seen_by(node).joinpath(BALLAST).open("wb", buffering=0) as ballast:
            size = len(BLOCK)
            while size:
                try:
                    ballast.write(BLOCK[:size])
                except OSError:
                    size //= 2

    def clear(self, node: Node) -> None:
        """Give back what `fill` took."""
        self._seen_by(node).joinpath(BALLAST).unlink()

    async def released(self) -> None:
        """Wait until nobody has it mounted any more: mounted twice, it would be destroyed."""
        async with asyncio.timeout(FREE_WITHIN_S):
            while await _said("losetup", "--associated", str(self.image)):
                await asyncio.sleep(LOOK_EVERY_S)

    def _seen_by(self, node: Node) -> Path:
        return Path(f"/proc/{node.pid}/root{self.where}")


async def fail_one_write(node: Node, file: Path, trace: Path) -> None:
    """Answer this server's next write to `file` with EIO, as a dying disk does; `trace` is for us.

    Return when that has happened. (A second thread that writes at the same moment fails as well.)
    """
    need("strace")
    broken = ("--trace=pwrite64,write", "--inject=pwrite64,write:error=EIO:when=1")
    process = await asyncio.create_subprocess_exec(
        *("strace", "--follow-forks", f"--attach={node.pid}", f"--trace-path={file}", *broken),
        *(f"--output={trace}",),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(FREE_WITHIN_S):
            while not (trace.exists() and "(INJECTED)" in trace.read_text(errors="replace")):
                await asyncio.sleep(LOOK_EVERY_S)
    finally:
        process.terminate()
        await process.wait()


async def make_disk(image: Path, where: Path, megabytes: int) -> Disk:
    """An empty file system, to be mounted over the (empty) directory `where`; see `need`."""
    need(*TOOLS, loop_devices=True)
    where.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(megabytes * 1024 * 1024)
    ready = "lazy_itable_init=0,lazy_journal_init=0"  # nobody writes there but the server
    await _said("mkfs.ext4", "-q", "-F", "-m", "0", "-E", ready, str(image))
    return Disk(image, where)


def _path_of(tool: str) -> str:
    return shutil.which(tool) or tool


async def _said(*argv: str) -> str:
    """What a tool prints. Raises `RuntimeError` with its words when it fails."""
    process = await asyncio.create_subprocess_exec(
        *argv, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    told, wrong = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{argv[0]}: {wrong.decode(errors='replace').strip()}")
    return told.decode()
