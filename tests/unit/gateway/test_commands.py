"""What commands say of a gateway (on a real socket) in states that no plant gets into by itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shared.cli.app import outcome
from shared.cli.options import STATE
from shared.domain.values import Stage
from shared.testing.access import KEY

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.gateway.conftest import House


class Terminal:
    """Commands given from a thread of their own, since each has an event loop of its own."""

    def __init__(self, house: House, capsys: pytest.CaptureFixture[str]) -> None:
        self.url = str(house.client.base_url)
        self._capsys = capsys

    async def told(self, *arguments: str) -> str:
        """What a command says that succeeds."""
        self._capsys.readouterr()
        code = await asyncio.to_thread(outcome, [*arguments, "--url", self.url])
        said = self._capsys.readouterr()
        assert code == 0, said.err
        return said.out

    async def refused(self, *arguments: str) -> str:
        """What a command says that the state forbids."""
        code = await asyncio.to_thread(outcome, [*arguments, "--url", self.url])
        assert code == STATE
        return self._capsys.readouterr().err


@pytest.fixture
def terminal(
    served: House, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("GALLEY_API_KEY", str(KEY))
    return Terminal(served, capsys)


async def test_the_list_of_rules_warns_of_what_cannot_be_read(
    served: House, terminal: Terminal
) -> None:
    assert "version" not in await terminal.told("rules", "list")
    first = await served.events.keep("docs.main.rules.outline", b"[]", 0)
    newer = await served.events.keep("docs.main.rules.edit", b'{"schema_version": 99}', 0)
    *_, outline, edit = (await terminal.told("rules", "list")).splitlines()
    assert f"outline: version {first} is damaged; the shipped rules are in force" in outline
    assert "rules restore outline shipped" in outline
    assert edit.startswith(f"edit: version {newer} was written by a newer Galley; ")
    assert "restore" not in edit


async def test_new_rules_are_put_over_damaged_ones_and_not_over_a_newer_galley_s(
    served: House, terminal: Terminal, tmp_path: Path
) -> None:
    text = tmp_path / "rules.md"
    text.write_text("Write well.")
    await terminal.told("rules", "set", "outline", str(text))
    [good] = [each for each in await listed(served) if each["stage"] == "outline"]
    await served.events.keep("docs.main.rules.outline", b"[]", good["version"])
    text.write_text("Write better.")
    assert "In force for outline" in await terminal.told("rules", "set", "outline", str(text))
    await served.events.keep("docs.main.rules.edit", b'{"schema_version": 99}', 0)
    assert "newer" in await terminal.refused("rules", "set", "edit", str(text))


async def listed(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await house.client.get("/api/rules")).json()
    return found


async def test_a_post_is_edited_to_call_other_models(served: House, terminal: Terminal) -> None:
    post, choices = str(await served.posted()), served.gateway.choices
    url = f"/api/posts/{post}"
    before = (await served.client.get(url)).json()["stage_models"]
    write, picture = choices[Stage.WRITE].models[-1], choices[Stage.IMAGES].image_models[-1]
    assert (write, picture) != (before["write"]["model"], before["images"]["image_model"])
    said = ("--model", f"write={write}", "--model", f"images={picture}")
    assert "Done" in await terminal.told("edit", post, *said)
    models = (await served.client.get(url)).json()["stage_models"]
    assert models["write"] == before["write"] | {"model": write}
    assert models["images"] == before["images"] | {"image_model": picture}
    await terminal.told("edit", post, "--model", "write=", "--model", "images=")
    assert (await served.client.get(url)).json()["stage_models"] == before
