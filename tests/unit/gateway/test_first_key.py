"""The first key: drawn by the plant for its user alone, written to the log once, and found by the
command line."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING

import pytest

from services.gateway.access.first import FirstKey, first_key, require_keys
from services.gateway.access.keyring import Keyring
from shared.cli.app import outcome
from shared.cli.place import place_of
from shared.domain.documents import key_ref
from shared.domain.keys import key_text
from shared.errors import Misconfigured
from shared.local.layout import Address, Layout
from shared.settings import FirstKeySettings
from shared.testing import NOW
from shared.testing.access import KEY, key_of, standing
from shared.testing.documents import MemoryDocuments
from shared.testing.memory import MemoryLog

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.gateway.conftest import House

URL = "http://127.0.0.1:1"


@pytest.fixture
def documents() -> MemoryDocuments:
    return MemoryDocuments(MemoryLog())


async def read(documents: MemoryDocuments, first: FirstKey | None) -> Keyring:
    """The keys as a gateway has them that has just started."""
    keyring = Keyring(documents, lambda: NOW, first)
    following = asyncio.create_task(keyring.run())
    keyring.anew()
    await keyring.loaded()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    return keyring


def first(documents: MemoryDocuments, name: str = "ann") -> FirstKey:
    return FirstKey(KEY, name, documents, lambda: NOW)


async def test_the_first_key_is_written_once_and_lets_its_owner_in(
    documents: MemoryDocuments,
) -> None:
    for _ in range(2):
        keyring = await read(documents, first(documents))
        caller = keyring.caller(str(KEY))
        assert (caller.name, caller.role, caller.tenant) == ("ann", "admin", "main")
    assert len(await documents.history(key_ref("main", KEY.id))) == 1


async def test_a_first_key_that_was_revoked_stays_revoked(documents: MemoryDocuments) -> None:
    gone = standing(KEY, "ann", revoked=NOW).version
    assert gone is not None
    await documents.write(gone.ref, gone.document, 0)
    keyring = await read(documents, first(documents))
    assert [each.key.revoked for each in keyring.of("main")] == [NOW]


async def test_a_new_first_key_has_a_name_of_its_own(documents: MemoryDocuments) -> None:
    await read(documents, first(documents))
    again = FirstKey(key_of("another"), "Ann", documents, lambda: NOW)
    keyring = await read(documents, again)
    assert [each.key.name for each in keyring.of("main")] == ["ann", f"Ann-{again.text.id}"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "galley.example.org"])
async def test_a_gateway_others_can_reach_does_not_start_without_a_key(
    documents: MemoryDocuments, host: str
) -> None:
    with pytest.raises(Misconfigured, match="GALLEY_FIRST_KEY"):
        await require_keys(documents, host, None)
    await require_keys(documents, host, first(documents))
    there = standing(KEY).version
    assert there is not None
    await documents.write(there.ref, there.document, 0)
    await require_keys(documents, host, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_on_this_machine_alone_it_starts(documents: MemoryDocuments, host: str) -> None:
    await require_keys(documents, host, None)


def test_what_is_no_key_is_no_first_key(
    documents: MemoryDocuments, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALLEY_FIRST_KEY", "S3CRET")
    with pytest.raises(Misconfigured) as refused:
        first_key(FirstKeySettings(), documents, lambda: NOW)
    assert "S3CRET" not in str(refused.value)


# --- the plant and the command line -----------------------------------------------------------


def test_the_plant_draws_a_key_that_only_its_user_can_read(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    drawn = layout.first_key()
    assert key_text(drawn) is not None
    assert stat.S_IMODE(layout.api_key.stat().st_mode) == 0o600
    assert layout.first_key() == layout.known_key() == drawn


def test_a_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    Layout(tmp_path).api_key.write_text("S3CRET")
    with pytest.raises(Misconfigured, match="holds no key") as refused:
        Layout(tmp_path).first_key()
    assert "S3CRET" not in str(refused.value)


@pytest.fixture
def plant(tmp_path: Path) -> Layout:
    """A plant of this very process."""
    layout = Layout(tmp_path)
    Address(gateway=URL, simulator="", simulated=(), pid=os.getpid(), pids={}, health={}).write(
        layout
    )
    return layout


def test_the_key_of_the_plant_is_shown_to_the_plant_only(
    plant: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, other = plant.first_key(), str(key_of("other"))
    monkeypatch.delenv("GALLEY_API_KEY", raising=False)
    assert place_of("", plant.root).key == own
    assert place_of(f"{URL}/", plant.root).key == own
    assert place_of("http://127.0.0.1:2", plant.root).key == ""
    monkeypatch.setenv("GALLEY_API_KEY", other)
    assert place_of("http://127.0.0.1:2", plant.root).key == other
    assert own not in repr(place_of("", plant.root))


async def test_a_command_without_a_key_says_where_it_looks_for_one(
    served: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GALLEY_API_KEY", raising=False)
    url = str(served.client.base_url)
    assert await asyncio.to_thread(outcome, ["list", "--url", url]) == 1
    said = capsys.readouterr().err
    assert "GALLEY_API_KEY" in said
    assert "galley keys create" in said


async def test_keys_are_made_listed_and_revoked_from_the_terminal(
    served: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GALLEY_API_KEY", str(KEY))
    monkeypatch.setenv("COLUMNS", "200")
    url = str(served.client.base_url)

    async def said(*words: str) -> str:
        assert await asyncio.to_thread(outcome, [*words, "--url", url]) == 0
        return capsys.readouterr().out

    made = key_text((await said("keys", "create", "Ann Smith", "editor")).split()[-1])
    assert made is not None
    listed = await said("keys", "list")
    assert made.id in listed
    assert made.secret not in listed
    await said("keys", "revoke", made.id, "--yes")
    assert made.id not in await said("keys", "list")
    assert "/enter/galley_main_" in await said("enter")
