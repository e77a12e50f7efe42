"""The simulator as one ASGI application: three providers by prefix, its own endpoints at /__sim."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared.simulator.brief import Question
from shared.simulator.control import Control, State
from shared.simulator.delivery import deliver, spoiled, without_answer
from shared.simulator.exchange import Exchange, TooLong
from shared.simulator.faults import BadFault, Fault
from shared.simulator.reply import Refusal, encode
from shared.simulator.wires.claude import ClaudeWire
from shared.simulator.wires.gemini import GeminiWire
from shared.simulator.wires.perplexity import PerplexityWire

if TYPE_CHECKING:
    from shared.simulator.delivery import Ended
    from shared.simulator.exchange import App, Message, Receive, Send
    from shared.simulator.journal import Price
    from shared.simulator.reply import Reply
    from shared.simulator.settings import SimulatorSettings
    from shared.simulator.wires.wire import Wire

_WITHOUT_ANSWER = ("hang", "reset")
_CUT_STATUS = {"rate_limit_error": 429, "api_error": 500, "timeout_error": 504}


def simulator(settings: SimulatorSettings, price: Price) -> App:
    """The application. `price` is the true price of what a call used, in US dollars; a model it
    raises `Misconfigured` for is unknown to the provider too (404).
    """
    return _Simulator(settings, price)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A provider call as understood: what it asks, or why it is refused before it starts."""

    question: Question
    digest: str
    fault: Fault | None = None
    refusal: Refusal | None = None


class _Simulator:
    def __init__(self, settings: SimulatorSettings, price: Price) -> None:
        wires: tuple[Wire, ...] = (
            ClaudeWire(settings),
            GeminiWire(settings),
            PerplexityWire(settings),
        )
        self._wires = {wire.prefix: wire for wire in wires}
        self._state = State(settings, price)
        self._control = Control(self._state)
        self._requests = itertools.count(1)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            await self._answer(Exchange(scope, receive, send))

    async def _answer(self, exchange: Exchange) -> None:
        wire = self._wires.get(exchange.path.split("/", 2)[1])
        try:
            if exchange.path.startswith("/__sim/"):
                await self._control.answer(exchange)
            elif wire is None:
                await exchange.whole(404, encode({"error": "no provider lives at this address"}))
            else:
                await self._call(wire, exchange)
        except TooLong:
            await exchange.whole(413, encode({"error": "the request is too long"}))
        except asyncio.CancelledError:
            # Only a server that stops cancels a call: whoever waits for it sees a cut connection.
            await exchange.cut()
        finally:
            await exchange.close()

    async def _call(self, wire: Wire, exchange: Exchange) -> None:
        asked = await self._understand(wire, exchange)
        number = self._state.journal.begin(**_entry(wire, asked, wire.key(exchange.headers)))
        ended: Ended = ("disconnected", None)
        try:
            ended = await self._respond(wire, exchange, asked)
        finally:
            self._state.journal.finish(number, *ended)

    async def _understand(self, wire: Wire, exchange: Exchange) -> _Asked:
        question, digest = Question(provider=wire.provider, model="", told=""), ""
        try:
            raw = await exchange.body(self._state.settings.body_limit)
            body, digest = _body(exchange.method, raw)
            _admit(wire.key(exchange.headers))
            question = wire.read(exchange.path, body)
            self._known(question.model)
            fault = self._state.faults.choose(question)
        except TooLong:
            return _Asked(question, digest, refusal=Refusal(413, "the request is too long"))
        except BadFault as error:
            return _Asked(question, digest, refusal=Refusal(400, f"simulator: {error}"))
        except Refusal as refusal:
            return _Asked(question, digest, refusal=refusal)
        return _Asked(question, digest, fault, _as_refusal(fault, stream=question.stream))

    def _known(self, model: str) -> None:
        if not self._state.journal.priced(model):
            raise Refusal(404, f"model: there is no {model[:100]!r}")

    async def _respond(self, wire: Wire, exchange: Exchange, asked: _Asked) -> Ended:
        if asked.fault and asked.fault.name in _WITHOUT_ANSWER:
            return await without_answer(exchange, asked.fault)
        reply = self._reply(wire, asked)
        await self._state.hold.passing(asked.question, exchange)
        return await deliver(exchange, reply, asked.fault, self._state.pace)

    def _reply(self, wire: Wire, asked: _Asked) -> Reply:
        request_id = f"req_sim_{next(self._requests):012d}"
        if asked.refusal:
            reply = wire.error(asked.refusal, request_id)
        else:
            reply = spoiled(wire.answer(asked.question, asked.fault), asked.fault)
        if not wire.request_id_header:
            return reply
        return replace(reply, headers=(*reply.headers, (wire.request_id_header, request_id)))


def _admit(key: str) -> None:
    if not key or key.startswith("bad"):
        raise Refusal(401, "the API key is not valid")


def _body(method: str, raw: bytes) -> tuple[dict[str, Any], str]:
    """The request's JSON object, and the digest of its canonical form."""
    if method != "POST":
        raise Refusal(405, "only POST is answered here")
    try:
        body = json.loads(raw, parse_constant=_no_constant)
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "the body is no JSON that can be read") from error
    if not isinstance(body, dict):
        raise Refusal(400, "the body must be a JSON object")
    return body, digest


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _as_refusal(fault: Fault | None, *, stream: bool) -> Refusal | None:
    """The error a fault stands for: a status, or a failure in the middle of what has no middle."""
    if fault and fault.status is not None:
        return Refusal(fault.status, f"simulated {fault.status}", fault.arg)
    if fault and fault.name == "err_event" and not stream:
        return Refusal(_CUT_STATUS.get(fault.arg, 529), "simulated failure")
    return None


def _entry(wire: Wire, asked: _Asked, key: str) -> dict[str, Any]:
    question, fault = asked.question, asked.fault
    brief = question.brief
    return {
        "provider": wire.provider,
        "model": question.model,
        "task": ""
        if not question.model
        else brief.task
        if question.provider != "gemini"
        else "picture",
        "topic": brief.topic if question.model else "",
        "prompt_digest": question.digest,
        "request_digest": asked.digest,
        "key_tail": key[-4:],
        "fault": f"{fault.name}:{fault.arg}".rstrip(":") if fault else "",
    }


async def _live(receive: Receive, send: Send) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return
