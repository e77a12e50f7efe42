"""A forked service is as an executed one, only sooner; and nothing is lost with the zygote."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from shared.local.environment import SERVICES
from shared.local.forking import PRELOADED, Forker, forking, zygote_command
from shared.local.processes import Command, execute, spawn
from shared.local.supervisor import Supervisor
from tests.integration.test_local_processes import ROOT, SOON, Notices, alive, gone, printed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from shared.local.processes import Launch

WAITS = "import signal; print('up', flush=True); signal.pause()"
TELLS = """
import json, os, sys, threading
from pathlib import Path
print(json.dumps({
    "argv": sys.argv,
    "orig_argv": sys.orig_argv,
    "cmdline": Path("/proc/self/cmdline").read_text(),
    "environ": sorted(each for each in Path("/proc/self/environ").read_text().split(chr(0))
                      if not each.startswith("LC_CTYPE=")),
    "variables": {name: value for name, value in os.environ.items() if name != "LC_CTYPE"},
    "cwd": os.getcwd(),
    "path": sys.path,
    "flags": list(sys.flags),
    "name": [__name__, __package__, __file__],
    "main": sys.modules["__main__"].__dict__ is globals(),
    "signals": [line for line in open("/proc/self/status") if line.startswith("Sig")],
    "streams": [[s.encoding, s.errors, s.line_buffering, s.write_through, s.isatty()]
                for s in (sys.stdin, sys.stdout, sys.stderr)],
    "read": sys.stdin.read(),
    "descriptors": sorted(os.listdir("/proc/self/fd")),
    "threads": [threading.active_count(), threading.current_thread() is threading.main_thread()],
    "session": os.getsid(0) == os.getpid(),
    "ours": sorted(name for name in sys.modules if name.split(".")[0] in ("services", "shared")),
}))
"""
DRAWS = """
import gc, hashlib, json, random, secrets, ssl, tempfile, uuid
gc.unfreeze()
drawn = [random.random(), random.getrandbits(64), uuid.uuid4().hex, secrets.token_hex(),
         ssl.RAND_bytes(16).hex(), tempfile.mktemp()]
mine = [each for each in gc.get_objects() if type(each) is random.Random]
drawn += [hashlib.sha256(repr(each.getstate()).encode()).hexdigest() for each in mine]
print(json.dumps(drawn))
"""
IMPORTS = """
import importlib, json, sys
missing = [name for name in PRELOADED if name not in sys.modules]
before = {name.split(".")[0] for name in sys.modules}
for service in SERVICES:
    importlib.import_module(f"services.{service}.__main__")
after = {name.split(".")[0] for name, module in sys.modules.items()
         if "site-packages" in (getattr(module, "__file__", None) or "")}
print(json.dumps([missing, sorted(after - before)]))
"""

PARENT = """
import asyncio, json, sys
from pathlib import Path
from shared.local.processes import spawn
from tests.integration.test_local_forking import WAITS, open_workshop

async def main(place):
    async with open_workshop(place) as workshop:
        commands = [workshop.write(name, WAITS) for name in ("left", "right")]
        pids = [(await spawn(command, workshop.launch)).pid for command in commands]
        print(json.dumps([await workshop.zygote(), *pids]), flush=True)
        await asyncio.Event().wait()

asyncio.run(main(Path(sys.argv[1])))
"""


class Workshop:
    """Modules to run, and how to have them run."""

    def __init__(self, place: Path, launch: Launch, forker: Forker, notices: Notices) -> None:
        self.place = place
        self.launch = launch
        self.forker = forker
        self.notices = notices

    @property
    def log(self) -> Path:
        return self.place / "all.log"

    def write(self, name: str, code: str) -> Command:
        (self.place / f"{name}.py").write_text(code)
        return Command(
            name=name,
            argv=(sys.executable, "-P", "-m", name),
            env={**common(self.place), "GALLEY_OWN": "1"},
            log=self.log,
        )

    async def said(self, command: Command, launch: Launch) -> Any:
        """What it prints, as it ends well."""
        own = replace(command, log=self.place / f"{command.name}.log")
        child = await spawn(own, launch)
        assert await child.wait() == 0, own.log.read_text()
        return json.loads(own.log.read_text().splitlines()[-1])

    async def zygote(self) -> int:
        return (await self.forker.zygote()).child.pid


def common(place: Path) -> dict[str, str]:
    path = f"{ROOT}{os.pathsep}{place}"
    return {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


@asynccontextmanager
async def open_workshop(place: Path, *packages: str) -> AsyncIterator[Workshop]:
    notices = Notices()
    command = zygote_command(common(place), place / "zygote.log", packages)
    async with forking(command, notices) as forker:
        yield Workshop(place, forker.launch, forker, notices)


@pytest.fixture
async def workshop(tmp_path: Path) -> AsyncIterator[Workshop]:
    async with open_workshop(tmp_path) as opened:
        yield opened


async def test_a_forked_process_is_as_an_executed_one(workshop: Workshop) -> None:
    command = workshop.write("tells", TELLS)
    command = replace(command, argv=(*command.argv, "--port", "0"), cwd=workshop.place)
    executed = await workshop.said(command, execute)
    forked = await workshop.said(command, workshop.launch)
    assert forked == executed
    assert forked["session"] is True
    assert forked["cwd"] not in forked["path"][:1]
    assert forked["variables"] == dict(command.env)
    assert forked["cmdline"] == "".join(f"{word}\0" for word in command.argv)
    assert forked["ours"] == []


async def test_it_was_forked_and_goes_by_its_name(workshop: Workshop) -> None:
    child = await spawn(workshop.write("press", WAITS), workshop.launch)
    await printed(workshop.log, "up")
    process = psutil.Process(child.pid)
    assert (process.ppid(), process.name()) == (await workshop.zygote(), "galley-press")
    assert await child.stop(60) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("code", "exit_code", "last"),
    [
        ("print('done')", 0, "done"),
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('no licence to print')", 1, "no licence to print"),
        ("raise LookupError('where')", 1, "LookupError: where"),
        ("import os; os.abort()", -signal.SIGABRT, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, ""),
    ],
)
async def test_its_exit_code_and_its_last_words_are_known(
    workshop: Workshop, code: str, exit_code: int, last: str
) -> None:
    child = await spawn(replace(workshop.write("ends", code), prefix=True), workshop.launch)
    assert await child.wait() == exit_code
    assert child.last_words() == last
    child.kill()


async def test_a_directory_that_is_not_there_is_named(workshop: Workshop) -> None:
    lost = replace(workshop.write("lost", WAITS), cwd=Path("/no/such/place"))
    child = await spawn(lost, workshop.launch)
    assert await child.wait() == 127
    assert "No such file or directory: '/no/such/place'" in child.last_words()


async def test_edited_code_is_what_a_restarted_process_runs(workshop: Workshop) -> None:
    for version in ("1", "22"):
        (workshop.place / "imported.py").write_text(f"VERSION = {version}")
        command = workshop.write("shows", "import imported; print(imported.VERSION)")
        assert await workshop.said(command, workshop.launch) == int(version)


async def test_a_stopped_process_goes_on_and_a_killed_one_is_started_again(
    workshop: Workshop,
) -> None:
    command = workshop.write("press", WAITS)
    async with Supervisor(workshop.notices, backoff=SOON, launch=workshop.launch) as plant:
        pid = await plant.start(command)
        await printed(workshop.log, "up")
        os.kill(pid, signal.SIGSTOP)
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
        crashed = await workshop.notices.next("crashed")
        assert (crashed.pid, crashed.code, crashed.told) == (pid, -signal.SIGKILL, "up")
        again = await workshop.notices.next("started")
        assert psutil.Process(again.pid).ppid() == await workshop.zygote()


async def test_with_the_zygote_die_its_services_each_is_told_and_all_are_started_again(
    workshop: Workshop,
) -> None:
    names = {"left", "right"}
    async with Supervisor(workshop.notices, backoff=SOON, launch=workshop.launch) as plant:
        before = {name: await plant.start(workshop.write(name, WAITS)) for name in names}
        first = await workshop.zygote()
        os.kill(first, signal.SIGKILL)
        crashed = {(each := await workshop.notices.next("crashed")).name: each for _ in range(3)}
        assert {name: each.pid for name, each in crashed.items()} == {"zygote": first, **before}
        assert {each.code for each in crashed.values()} == {-signal.SIGKILL}
        assert await gone(*before.values())
        started = [await workshop.notices.next("started") for _ in names]
        second = await workshop.zygote()
        assert second != first
        assert {psutil.Process(each.pid).ppid() for each in started} == {second}


async def test_killing_the_parent_kills_the_zygote_and_all_it_has_forked(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = json.loads(await asyncio.to_thread(parent.stdout.readline))
    parent.kill()
    parent.communicate()
    try:
        assert await gone(*pids)
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("package", "why"),
    [
        ("raise ValueError('not today')", "ValueError: not today"),
        (
            "from threading import Event, Thread; Thread(target=Event().wait, daemon=True).start()",
            "RuntimeError: one of the packages starts a thread when it is imported",
        ),
    ],
)
async def test_where_no_zygote_gets_ready_this_is_told_once_and_commands_are_executed(
    tmp_path: Path, package: str, why: str
) -> None:
    (tmp_path / "package.py").write_text(package)
    async with open_workshop(tmp_path, "package") as workshop:
        command = workshop.write("parent", "import os; print(os.getppid())")
        for _ in range(2):
            assert await workshop.said(command, workshop.launch) == os.getpid()
        given_up = await workshop.notices.next("given up")
    assert (given_up.name, given_up.told) == ("zygote", why)
    assert len(workshop.notices.all) == 1


async def test_a_package_that_is_not_installed_is_nobodys_error(tmp_path: Path) -> None:
    async with open_workshop(tmp_path, "no_such_package", "no_such.package") as workshop:
        command = workshop.write("parent", "import os; print(os.getppid())")
        assert await workshop.said(command, workshop.launch) == await workshop.zygote()


async def test_a_start_given_up_leaves_nothing_running(workshop: Workshop) -> None:
    assert await workshop.said(workshop.write("one", "print(1)"), workshop.launch) == 1
    zygote = psutil.Process(await workshop.zygote())
    zygote.suspend()
    late = asyncio.create_task(spawn(workshop.write("late", WAITS), workshop.launch))
    await asyncio.sleep(0)
    late.cancel()
    await asyncio.wait([late])
    zygote.resume()
    assert await workshop.said(workshop.write("two", "print(2)"), workshop.launch) == 2
    assert await gone(*(child.pid for child in zygote.children()))


async def test_a_zygote_that_does_not_answer_is_replaced(workshop: Workshop) -> None:
    command = workshop.write("parent", "import os; print(os.getppid())")
    first = await workshop.said(command, workshop.launch)
    psutil.Process(first).suspend()
    workshop.forker.patience = 0.01
    assert await workshop.said(command, workshop.launch) == os.getpid()
    assert (await workshop.notices.next("crashed")).pid == first
    workshop.forker.patience = 60
    assert await workshop.said(command, workshop.launch) not in (first, os.getpid())


@pytest.mark.timeout(150)
async def test_it_holds_all_that_services_import_of_others_and_no_randomness(
    tmp_path: Path,
) -> None:
    async with open_workshop(tmp_path, *PRELOADED) as workshop:
        draws = workshop.write("draws", DRAWS)
        one, other = [await workshop.said(draws, workshop.launch) for _ in range(2)]
        assert [mine for mine, yours in zip(one, other, strict=True) if mine == yours] == []
        known = f"{SERVICES=}\n{PRELOADED=}\n"
        imports = workshop.write("imports", known + IMPORTS)
        assert await workshop.said(imports, workshop.launch) == [[], []]
        tells = await workshop.said(workshop.write("tells", TELLS), workshop.launch)
        assert tells["descriptors"] == ["0", "1", "2", "3"]
