"""The Anthropic Messages API: JSON and event stream, thinking first, counts, contract mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from shared.simulator import contract
from shared.simulator.brief import Question
from shared.simulator.reply import EVENTS, Piece, Refusal, Reply, encode, event, tokens
from shared.simulator.wires import retry_after
from shared.simulator.wires.claude_message import Message
from shared.simulator.wires.wire import Body, bearer, checked

if TYPE_CHECKING:
    from shared.simulator.faults import Fault
    from shared.simulator.settings import SimulatorSettings

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class _Turn(Body):
    role: Literal["user", "assistant"]
    content: str | list[dict[str, Any]]


class _Messages(Body):
    model: str
    messages: list[_Turn]
    max_tokens: int | None = None
    system: str | list[dict[str, Any]] = ""
    stream: bool = False
    thinking: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    cache_control: dict[str, Any] | None = None


class ClaudeWire:
    """Speaks for Claude under /anthropic."""

    provider: Literal["claude"] = "claude"
    prefix = "anthropic"
    request_id_header = "request-id"

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings

    def key(self, headers: dict[str, str]) -> str:
        return bearer(headers) or headers.get("x-api-key", "")

    def read(self, path: str, body: dict[str, Any]) -> Question:
        counting = path.endswith("/v1/messages/count_tokens")
        if not counting and not path.endswith("/v1/messages"):
            raise Refusal(404, "there is nothing at this address")
        asked = checked(_Messages, body)
        self._refuse(body, counting=counting)
        config = asked.output_config or {}
        shape = config.get("format")
        return Question(
            provider="claude",
            model=asked.model,
            told="\n".join(
                (_text(asked.system), *(_text(turn.content) for turn in asked.messages))
            ),
            stream=asked.stream,
            schema=shape.get("schema") if isinstance(shape, dict) else None,
            max_tokens=asked.max_tokens,
            effort=str(config.get("effort", "")),
            thinking=str((asked.thinking or {}).get("type", "")),
            cached=_cached(asked),
            dialect="count_tokens" if counting else "messages",
            extra={"shown": (asked.thinking or {}).get("display") == "summarized"},
        )

    def _refuse(self, body: dict[str, Any], *, counting: bool) -> None:
        why = contract.basics(body, counting=counting)
        if not why and self._settings.contract:
            why = contract.current_models(body)
        if why:
            raise Refusal(400, why)

    def answer(self, question: Question, fault: Fault | None) -> Reply:
        if question.dialect == "count_tokens":
            return Reply(pieces=(Piece(encode({"input_tokens": tokens(question.prompt)})),))
        message = Message(question, fault)
        if not question.stream:
            return Reply(
                pieces=(Piece(encode(message.whole()), message.spent),),
                usage=message.usage,
                outcome=message.outcome,
                length=len(message.chunks(self._settings.words_per_chunk)),
            )
        return Reply(
            pieces=tuple(message.frames(self._settings.words_per_chunk)),
            media_type=EVENTS,
            usage=message.usage,
            outcome=message.outcome,
            failing=_failing(fault),
        )

    def error(self, refusal: Refusal, request_id: str) -> Reply:
        told: dict[str, Any] = {
            "type": _ERRORS.get(refusal.status, "api_error"),
            "message": refusal.message,
        }
        if refusal.arg.startswith("code="):
            told["details"] = {"error_code": refusal.arg[5:]}
        body = {"type": "error", "error": told, "request_id": request_id}
        return Reply(
            status=refusal.status,
            headers=retry_after.headers(refusal.arg),
            pieces=(Piece(encode(body)),),
            outcome=f"error:{refusal.status}",
        )


def _failing(fault: Fault | None) -> bytes:
    if fault is None or fault.name != "err_event":
        return b""
    kind = fault.arg or "overloaded_error"
    told = {"type": kind, "message": "the simulated provider failed in the middle"}
    return event({"type": "error", "error": told}, "error")


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(block.get("text", "")) for block in content)


def _cached(asked: _Messages) -> str:
    blocks = asked.system if isinstance(asked.system, list) else []
    marks = [asked.cache_control, *(block.get("cache_control") for block in blocks)]
    mark = next((mark for mark in marks if isinstance(mark, dict)), None)
    return "" if mark is None else str(mark.get("ttl", "5m")) + ":" + _text(asked.system)
