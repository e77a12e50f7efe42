"""Clients of the gateway in a storm: each says a thing under one key until it is answered, and
keeps what it was told.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx

from shared.domain.values import ORDER

if TYPE_CHECKING:
    from random import Random

AGAIN = frozenset({429, 502, 503, 504})
PAUSE_S = 0.3
GATES = ("auto", "auto", "auto", "review", "approve_only")
MARKERS = (
    "",
    "",
    "",
    "[[sim:claude:529*2]]",
    "[[sim:claude:reset_mid*1]]",
    "[[sim:claude:cut_mid*1]]",
    "[[sim:perplexity:503*1]]",
    "[[sim:gemini:500*1]]",
    "[[sim:claude:delay:1*3]]",
    "[[sim:claude:html_502*1]]",
)


class Answered(NamedTuple):
    """A change that the gateway said it had made: `seq` is how far the log had come then."""

    post: str
    what: str
    seq: int


@dataclass(slots=True)
class Client:
    """One client with its own lots; `odd` are answers that nobody should ever be given."""

    http: httpx.AsyncClient
    lots: Random
    name: str
    answered: list[Answered] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    async def say(self, method: str, path: str, body: object = None) -> httpx.Response:
        """The first answer that is one; asked again as long as there is none."""
        headers = {"Idempotency-Key": f"{self.name}-{next(self._numbers)}"}
        while True:
            try:
                answer = await self.http.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                await asyncio.sleep(PAUSE_S)
                continue
            if answer.status_code not in AGAIN:
                return self._noted(method, path, answer)
            await asyncio.sleep(PAUSE_S)

    def _noted(self, method: str, path: str, answer: httpx.Response) -> httpx.Response:
        what = f"{method} {path}"
        if answer.is_server_error or answer.status_code in {400, 422}:
            self.odd.append(f"{what} -> {answer.status_code} {answer.text[:300]}")
        if answer.is_success and method != "GET" and "Galley-Sequence" in answer.headers:
            post = path.split("/")[3] if path.count("/") > 2 else answer.json()["id"]
            self.answered.append(Answered(post, what, int(answer.headers["Galley-Sequence"])))
        return answer

    async def read(self, post: str) -> dict[str, Any] | None:
        """The post as the gateway tells it; None when it is gone."""
        answer = await self.say("GET", f"/api/posts/{post}")
        told: dict[str, Any] = answer.json()
        return told if answer.is_success else None


class Editor:
    """Hands one post in and meddles with it, as an impatient person would."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self._lots = client.lots
        self._topic = f"Storm {number} {self._lots.choice(MARKERS)}".strip()
        self.post = ""

    async def hand_in(self) -> None:
        gates = {stage.value: self._lots.choice(GATES) for stage in ORDER}
        if "auto" not in gates.values():
            gates["research"] = "auto"
        order = {"topic": self._topic, "word_count": 400, "stage_settings": gates}
        self.post = (await self._client.say("POST", "/api/posts", order)).json()["id"]

    async def meddle(self) -> None:
        """Look, act, wait; until cancelled."""
        while True:
            await asyncio.sleep(self._lots.uniform(0.5, 4.0))
            told = await self._client.read(self.post)
            if told is not None:
                await self._act(told)

    async def finish(self) -> None:
        """Nothing but what brings the post to its end."""
        if (told := await self._client.read(self.post)) is None:
            return
        if told["paused"]:
            await self._do("resume")
        if told["review"]:
            await self._do("approve")
        await self._do("run-all")

    async def _act(self, told: dict[str, Any]) -> None:
        if told["review"]:
            await self._decide(told["review"])
        elif told["paused"]:
            await self._do("resume")
        elif told["current_stage"] in {"failed", "cancelled", "pending"}:
            await self._do("run")
        elif told["current_stage"] == "complete":
            await self._revisit()
        else:
            await self._interfere()

    async def _decide(self, review: dict[str, Any]) -> None:
        named = {"review": review["seq"]}
        match self._lots.choices(("approve", "reject", "edit"), (6, 1, 2))[0]:
            case "reject":
                await self._do("reject", {**named, "note": "Shorter, please"})
            case "edit" if review["mode"] == "review" and review["stage"] in {"write", "edit"}:
                text = "# A title of ours\n\nWords that a person wrote.\n\n## One part\n\nMore.\n"
                await self._do("approve", {**named, "content": text})
            case _:
                await self._do("approve", named)

    async def _revisit(self) -> None:
        if self._lots.random() < 0.1:
            await self._client.say("DELETE", f"/api/posts/{self.post}")
        elif self._lots.random() < 0.3:
            stage = self._lots.choice(ORDER)
            await self._do(f"rerun/{stage}?cascade=true")

    async def _interfere(self) -> None:
        match self._lots.choices(("pause", "cancel", "tone", "nothing"), (2, 1, 2, 8))[0]:
            case "pause":
                await self._do("pause")
            case "cancel":
                await self._do("cancel", {"reason": "Changed my mind"})
            case "tone":
                body = {"tone": self._lots.choice(("friendly", "formal", "witty"))}
                await self._client.say("PATCH", f"/api/posts/{self.post}", body)
            case _:
                pass

    async def _do(self, action: str, body: object = None) -> None:
        await self._client.say("POST", f"/api/posts/{self.post}/{action}", body)
