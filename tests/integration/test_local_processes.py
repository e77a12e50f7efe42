"""Children die with their parent, come back when they crash, and end in the order they are told."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from shared.local.ownership import end_leftover, remember
from shared.local.ports import free_ports
from shared.local.processes import TETHER, Command, spawn
from shared.local.relay import _Log
from shared.local.supervisor import Backoff, Kind, Notice, Supervisor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).parents[2]
GONE_WITHIN_S = 20
SOON = Backoff(first=0.001, longest=0.004)
NEVER = Backoff(first=3600, longest=3600)

WAITS = "import signal; print('up', flush=True); signal.pause()"
UTF8 = "LC_CTYPE=C.UTF-8"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS
CRASHES = "print('one', flush=True); raise SystemExit('no licence to print')"

PARENT = """
import asyncio, json, signal, sys
from pathlib import Path
import shared.local.supervisor as supervisor
from shared.local.nats_server import serve_nats
from shared.local.postgres import serve_postgres
from tests.integration.test_local_processes import STUBBORN, python

async def main(data: Path) -> None:
    async with (
        serve_nats("jetstream {}", data / "nats"),
        serve_postgres(data / "postgres"),
        supervisor.Supervisor(lambda notice: None) as plant,
    ):
        pids = [await plant.start(python(name, STUBBORN, data)) for name in ("one", "two")]
        pids += [json.loads(path.read_text())["pid"] for path in data.glob("*/*.pid")]
        print(json.dumps(pids), flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


def python(name: str, code: str, directory: Path, *, prefix: bool = True) -> Command:
    return Command(
        name=name,
        argv=(sys.executable, "-I", "-S", "-c", code),
        env={},
        log=directory / "all.log",
        prefix=prefix,
    )


class Notices:
    """What the supervisor said, to be looked at and to be awaited."""

    def __init__(self) -> None:
        self.all: list[Notice] = []
        self._queue: asyncio.Queue[Notice] = asyncio.Queue()

    def __call__(self, notice: Notice) -> None:
        self.all.append(notice)
        self._queue.put_nowait(notice)

    async def next(self, kind: Kind) -> Notice:
        while (notice := await self._queue.get()).kind != kind:
            pass
        return notice

    def of(self, kind: Kind) -> list[str]:
        return [notice.name for notice in self.all if notice.kind == kind]


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
async def plant(notices: Notices) -> AsyncIterator[Supervisor]:
    async with Supervisor(notices, backoff=SOON) as supervisor:
        yield supervisor


def alive(pid: int) -> bool:
    """Neither gone nor a zombie (where nobody collects the dead)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def gone(*pids: int) -> bool:
    async with asyncio.timeout(GONE_WITHIN_S):
        while any(map(alive, pids)):
            await asyncio.sleep(0.005)
    return True


async def printed(log: Path, text: str) -> None:
    """Until a child has said so."""
    while not log.exists() or text not in log.read_text():
        await asyncio.sleep(0.005)


async def begin_parent(data: Path) -> tuple[subprocess.Popen[str], list[int]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, json.loads(await asyncio.to_thread(parent.stdout.readline))


@pytest.mark.integration
async def test_killing_the_parent_kills_every_child_and_the_data_can_be_opened_again(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        parent, pids = await begin_parent(tmp_path)
        assert len(pids) == 4
        parent.kill()
        parent.communicate()
        try:
            assert await gone(*pids)
        finally:
            for pid in filter(alive, pids):
                os.kill(pid, signal.SIGKILL)


async def test_a_command_whose_parent_died_before_it_was_bound_never_runs() -> None:
    dead = subprocess.run([sys.executable, "-c", ""], check=False)
    assert dead.returncode == 0
    orphan = subprocess.run(
        [sys.executable, str(TETHER), str(os.getpid() + 1), "9", "-", "/bin/echo", "ran"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert orphan.returncode != 0
    assert "ran" not in orphan.stdout


async def test_a_crashed_child_is_started_again_and_its_last_words_are_told(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    first = await plant.start(python("press", WAITS, tmp_path))
    await printed(tmp_path / "all.log", "up")
    os.kill(first, signal.SIGKILL)
    crashed = await notices.next("crashed")
    again = await notices.next("started")
    assert (crashed.name, crashed.pid, crashed.code) == ("press", first, -signal.SIGKILL)
    assert crashed.told == "up"
    assert again.pid == plant.pids()["press"] != first


async def test_pauses_grow_while_a_child_keeps_crashing(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    await plant.start(python("press", CRASHES, tmp_path))
    crashes = [await notices.next("crashed") for _ in range(4)]
    assert [crash.again_in for crash in crashes] == [0.001, 0.002, 0.004, 0.004]
    assert all("no licence to print" in crash.told for crash in crashes)


async def test_a_program_that_is_not_there_is_named(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    missing = Command(name="x", argv=("/no/such/program",), env={}, log=tmp_path / "x.log")
    await plant.start(missing)
    crashed = await notices.next("crashed")
    assert crashed.code == 127
    assert "No such file" in crashed.told


async def test_groups_end_one_after_the_other(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    for name in ("log", "rows", "stage-1", "stage-2"):
        await plant.start(python(name, WAITS, tmp_path))
    await plant.drain([["stage-1", "stage-2"], ["rows", "unknown"], ["log"]])
    ended = notices.of("stopped")
    assert set(ended[:2]) == {"stage-1", "stage-2"}
    assert ended[2:] == ["rows", "log"]
    assert notices.of("crashed") == []
    assert plant.pids() == {}


async def test_draining_says_whom_it_waits_for(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    await plant.start(python("quick", WAITS, tmp_path))
    await plant.start(python("stubborn", STUBBORN, tmp_path))
    await printed(tmp_path / "all.log", "stubborn[")
    await plant.drain([["quick", "stubborn"]], grace=0.5)
    waits = [notice.waiting_for for notice in notices.all if notice.kind == "stopping"]
    assert waits == [("quick", "stubborn"), ("stubborn",)]
    assert notices.of("killed") == ["stubborn"]


async def test_draining_twice_is_the_same_as_once(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    await plant.start(python("press", WAITS, tmp_path))
    await asyncio.gather(plant.drain([["press"]]), plant.drain([["press"]]))
    await plant.drain([["press"]])
    assert notices.of("stopped") == ["press"]


async def test_a_second_signal_ends_a_drain_at_once(
    plant: Supervisor, notices: Notices, tmp_path: Path
) -> None:
    await plant.start(python("stubborn", STUBBORN, tmp_path))
    await printed(tmp_path / "all.log", "up")
    drain = asyncio.create_task(plant.drain([["stubborn"]], grace=3600))
    await notices.next("stopping")
    plant.kill()
    await drain
    assert notices.of("killed") == ["stubborn"]


async def test_a_drain_does_not_wait_for_the_pause_after_a_crash(
    notices: Notices, tmp_path: Path
) -> None:
    async with Supervisor(notices, backoff=NEVER) as plant:
        await plant.start(python("press", CRASHES, tmp_path))
        await notices.next("crashed")
    assert notices.of("started") == ["press"]


async def test_an_error_in_the_plant_leaves_nothing_running(
    notices: Notices, tmp_path: Path
) -> None:
    with pytest.raises(LookupError):
        async with Supervisor(notices) as plant:
            pid = await plant.start(python("press", WAITS, tmp_path))
            raise LookupError
    assert await gone(pid)


async def test_a_cancelled_plant_leaves_nothing_running_even_while_draining(
    notices: Notices, tmp_path: Path
) -> None:
    async def run() -> None:
        async with Supervisor(notices, grace=3600) as plant:
            await plant.start(python("stubborn", STUBBORN, tmp_path))
            await printed(tmp_path / "all.log", "up")

    task = asyncio.create_task(run())
    await notices.next("stopping")
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert await gone(*(notice.pid for notice in notices.all if notice.kind == "started"))


async def test_a_restart_is_no_crash(plant: Supervisor, notices: Notices, tmp_path: Path) -> None:
    first = await plant.start(python("press", WAITS, tmp_path))
    await notices.next("started")
    await plant.restart("press")
    assert (await notices.next("started")).pid != first
    assert notices.of("crashed") == []


async def test_a_restart_ends_the_pause_after_a_crash(notices: Notices, tmp_path: Path) -> None:
    async with Supervisor(notices, backoff=NEVER) as plant:
        await plant.start(python("press", CRASHES, tmp_path))
        await notices.next("started")
        await notices.next("crashed")
        await plant.restart("press")
        await notices.next("started")


async def test_one_name_is_one_process(plant: Supervisor, tmp_path: Path) -> None:
    first = await plant.start(python("press", WAITS, tmp_path))
    with pytest.raises(ValueError, match="press is started already"):
        await plant.start(python("press", WAITS, tmp_path))
    assert plant.pids() == {"press": first}


async def test_every_line_is_logged_whole_behind_its_name(tmp_path: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\n' * 20000 + b'\\xff\\xfe\\n\\nlast')"
    children = [await spawn(python(name, code, tmp_path)) for name in ("left", "right")]
    assert [await child.wait() for child in children] == [0, 0]
    logged = (tmp_path / "all.log").read_bytes().split(b"\n")
    for child in children:
        mine = f"{child.command.name}[{child.pid}] | ".encode()
        lines = [line.removeprefix(mine) for line in logged if line.startswith(mine)]
        assert lines == [b"a"] * 20000 + [b"\xff\xfe", b"", b"last"]


async def test_a_line_without_end_is_cut_and_never_held_in_memory(tmp_path: Path) -> None:
    child = await spawn(python("press", "print('x' * 1_000_000, end='')", tmp_path))
    await child.wait()
    logged = (tmp_path / "all.log").read_bytes()
    assert logged.count(b"x") == 1_000_000
    assert max(map(len, logged.split(b"\n"))) < 200_000


async def test_a_full_disk_loses_lines_and_never_blocks_the_child(tmp_path: Path) -> None:
    command = replace(python("press", "print('x\\n' * 500_000)", tmp_path), log=Path("/dev/full"))
    child = await spawn(command)
    assert await child.wait() == 0


def test_lines_lost_to_a_full_disk_are_counted_in_the_log() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    os.write(writing, b"." * 4096)
    log = _Log(b"press[1] | ", writing)
    log.add(b"lost")
    log.add(b"lost too")
    os.read(reading, 4096)
    log.add(b"kept")
    log.add(b"as usual")
    log.close()
    told = os.read(reading, 4096).decode().splitlines()
    os.close(reading)
    assert told == ["press[1] | (2 lines lost)", "press[1] | kept", "press[1] | as usual"]


async def test_last_words_are_its_own_even_in_a_shared_log(tmp_path: Path) -> None:
    silent = await spawn(python("silent", "", tmp_path))
    loud = await spawn(python("loud", "print('mine', end='\\n\\n')", tmp_path))
    await asyncio.gather(silent.wait(), loud.wait())
    later = await spawn(python("later", "", tmp_path, prefix=False))
    await later.wait()
    assert [child.last_words() for child in (silent, loud, later)] == ["", "mine", ""]


async def test_a_grandchild_that_keeps_the_output_open_is_not_waited_for(tmp_path: Path) -> None:
    code = "import os, signal; print('said', flush=True); os.fork() or signal.pause()"
    child = await spawn(python("press", code, tmp_path))
    assert await child.wait() == 0
    for process in psutil.process_iter():
        if process.pid != child.pid and os.getsid(process.pid) == child.pid:
            process.kill()
    assert "said" in (tmp_path / "all.log").read_text()


async def test_a_child_has_its_own_session_only_its_own_environment_and_default_signals(
    tmp_path: Path,
) -> None:
    session = "import os; print(os.getsid(0) == os.getpid())"
    argv = ("/bin/sh", "-c", "grep SigIgn /proc/self/status; env")
    child = await spawn(Command(name="s", argv=argv, env={"A": "1"}, log=tmp_path / "s.log"))
    assert await child.wait() == 0
    told = (tmp_path / "s.log").read_text().splitlines()
    assert int(told[0].split()[1], 16) & (1 << signal.SIGPIPE - 1) == 0
    assert set(told[1:]) - {"PWD=" + str(Path.cwd()), "SHLVL=0", "_=/usr/bin/env", UTF8} == {"A=1"}
    child = await spawn(python("p", session, tmp_path, prefix=False))
    assert await child.wait() == 0
    assert (tmp_path / "all.log").read_text() == "True\n"


async def test_a_process_left_over_from_an_earlier_run_is_ended(tmp_path: Path) -> None:
    orphaning = "sleep 1000 >/dev/null & echo $!"
    earlier = int(subprocess.check_output(["/bin/sh", "-c", orphaning], text=True))
    remember(tmp_path / "pid", earlier)
    command = python("press", "", tmp_path)
    child = await spawn(replace(command, pid_file=tmp_path / "pid"))
    assert not alive(earlier)
    assert await child.wait() == 0
    assert end_leftover(tmp_path / "pid") is None


@pytest.mark.parametrize("record", ["", "{", "[]", "1", "null", '{"pid": "x"}', '{"pid": -1}'])
def test_an_unreadable_record_of_an_earlier_run_is_passed_over(tmp_path: Path, record: str) -> None:
    (tmp_path / "pid").write_text(record)
    assert end_leftover(tmp_path / "pid") is None


async def test_a_stranger_who_got_the_pid_of_an_earlier_run_is_left_alone(tmp_path: Path) -> None:
    stranger = await spawn(python("stranger", WAITS, tmp_path))
    started = psutil.Process(stranger.pid).create_time() - 60
    (tmp_path / "pid").write_text(json.dumps({"pid": stranger.pid, "started": started}))
    assert end_leftover(tmp_path / "pid") is None
    assert await stranger.stop(GONE_WITHIN_S) == -signal.SIGTERM


def test_ports_chosen_together_are_different() -> None:
    assert len(set(free_ports(50))) == 50
