"""Every service answers for its health where it announces, and that is where the plant asks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx

from shared.local.layout import Layout
from shared.local.ports import LOOPBACK

if TYPE_CHECKING:
    from tests.e2e.press import Press

EIGHT = {"research", "outline", "write", "edit", "images", "ready", "projector", "gateway"}


def announced(press: Press, service: str) -> str:
    """Where the service said, when it last became ready, that it can be asked."""
    log = Layout(press.plant.plan.data.resolve()).log_of(service).read_text()
    lines = [json.loads(line) for line in log.splitlines() if '"service.ready"' in line]
    told = lines[-1]
    return str(told.get("health") or told["url"])


async def test_every_service_answers_for_its_health_where_it_announces(press: Press) -> None:
    asked = press.plant.address.health
    assert set(asked) == EIGHT
    async with httpx.AsyncClient() as http:
        for service, port in asked.items():
            url = announced(press, service)
            assert url == f"http://{LOOPBACK}:{port}", service
            for probe in ("/livez", "/readyz"):
                answer = await http.get(f"{url}{probe}")
                assert (answer.status_code, answer.json()["ok"]) == (200, True), service
