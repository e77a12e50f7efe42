"""A provider that repeats the key it was asked with does not get it into the log."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import ProviderError
from shared.providers import claude, gemini, perplexity
from shared.providers.port import Request
from tests.unit.providers.scripted import events, reply, scripted

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

KEY = "canary-sk-0123456789abcdef"
SAYS = f"the key {KEY} is not valid"
CLIENTS: dict[str, Any] = {"claude": claude, "gemini": gemini, "perplexity": perplexity}
ERROR = {
    "type": "error",
    "error": {"type": "invalid", "code": 400, "message": SAYS, "status": SAYS},
}
PLAIN = {"status": "completed", "id": KEY, "output": SAYS, "choices": SAYS, "candidates": SAYS}
REPLIES = {
    "refused": reply(ERROR, status=401, request_id=KEY, x_request_id=KEY),
    "broken": reply(PLAIN),
    "text": reply(SAYS, status=500, kind="text/plain"),
    "packed": reply(SAYS, content_encoding=KEY),
    "header": b"HTTP/1.1 " + KEY.encode() + b"\r\n\r\n",
    "stream": events({**ERROR, "type": "error"}),
}


def connected(name: str, url: str) -> AbstractAsyncContextManager[Any]:
    client: AbstractAsyncContextManager[Any] = CLIENTS[name].connect(api_key=KEY, base_url=url)
    return client


@pytest.mark.parametrize("said", REPLIES)
@pytest.mark.parametrize("name", CLIENTS)
async def test_an_echoed_key_is_in_no_part_of_the_failure(name: str, said: str) -> None:
    drawn = {"ratio": "1:1"} if name == "gemini" else {"stream": said == "stream"}
    asked = Request(provider=name, model="claude-sonnet-5-5", prompt="Why?", **drawn)  # type: ignore[arg-type]
    async with scripted(REPLIES[said]) as server, connected(name, server.url) as model:
        with pytest.raises(ProviderError) as caught:
            await model.call(asked)
        assert KEY in str(server.asked[0].headers)
    failure = caught.value
    told = [*vars(failure).values(), *traceback.format_exception(failure)]
    assert KEY not in " ".join(map(str, told))
