"""The client that programs import, against a gateway on a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.client import Gateway
from shared.errors import GatewayError
from shared.testing.access import KEY

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

CLOSED = dict.fromkeys(("research", "outline", "write", "edit", "images", "ready"), "review")


async def test_a_post_is_changed_copied_and_deleted_by_the_version_that_was_read(
    served: House,
) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        made = await galley.create("Rye", gates=CLOSED)
        changed = await galley.change(made["id"], version=made["version"], tone="Dry")
        assert (changed["tone"], changed["version"]) == ("Dry", made["version"] + 1)
        with pytest.raises(GatewayError) as stale:
            await galley.change(made["id"], version=made["version"], tone="Warm")
        assert stale.value.status == 409
        copy = await galley.duplicate(made["id"])
        assert (copy["topic"], copy["tone"], copy["current_stage"]) == ("Rye", "Dry", "pending")
        await galley.delete(made["id"], version=changed["version"])
        with pytest.raises(GatewayError) as gone:
            await galley.post(made["id"])
        assert gone.value.status == 404


async def test_the_deadline_of_a_gate_is_set_and_taken_away(served: House) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        made = await galley.create("Rye", gates=CLOSED)
        changed = await galley.change(made["id"], gate_deadline_s=60, gate_outcome="approve")
        assert (changed["gate_deadline_s"], changed["gate_outcome"]) == (60, "approve")
        changed = await galley.change(made["id"], gate_deadline_s=None)
    assert (changed["gate_deadline_s"], changed["gate_outcome"]) == (None, "approve")


async def test_a_batch_under_one_key_is_made_once(served: House) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        rows = [{"topic": "Oats"}, {"topic": "Wheat"}]
        first = await galley.batch(rows, idempotency_key="harvest")
        again = await galley.batch(rows, idempotency_key="harvest")
    assert [each["topic"] for each in first] == ["Oats", "Wheat"]
    assert [each["id"] for each in first] == [each["id"] for each in again]


async def test_a_control_decided_on_an_older_look_is_refused(served: House) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        made = await galley.create("Barley", gates=CLOSED)
        await galley.run(made["id"], version=made["version"])
        with pytest.raises(GatewayError) as stale:
            await galley.cancel(made["id"], version=made["version"])
    assert stale.value.status == 409


@pytest.mark.parametrize("read", ["calls", "logs", "analytics"])
async def test_what_is_read_is_no_older_than_asked_for(served: House, read: str) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        made = await galley.create("Spelt", gates=CLOSED)
        with pytest.raises(GatewayError) as beyond:
            await getattr(galley, read)(made["id"], min_seq=made["seq"] + 1000)
    assert beyond.value.code == "beyond-log"


async def test_what_was_just_written_can_be_read(served: House) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        made = await galley.create("Emmer", gates=CLOSED)
        assert await galley.calls(made["id"], min_seq=made["seq"]) == []
        await galley.run(made["id"])
        now = await galley.post(made["id"])
        told = await galley.logs(made["id"], min_seq=now["seq"])
    assert [each["event"] for each in told] == ["pipeline_start"]


async def test_settings_are_read_and_changed(served: House) -> None:
    async with Gateway(str(served.client.base_url), str(KEY)) as galley:
        changed = await galley.change_settings(concurrency={"write": 2})
        assert changed == await galley.settings()
    values = {each["key"]: each["value"] for each in changed}
    assert values["concurrency"] == {"write": 2}
