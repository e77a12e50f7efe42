"""The Perplexity API in both formats: `v1/responses` (agent) and `chat/completions` (chat)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from shared.simulator.brief import Question
from shared.simulator.reply import EVENTS, Piece, Refusal, Reply, encode, event
from shared.simulator.wires import retry_after
from shared.simulator.wires.perplexity_answer import AgentAnswer, ChatAnswer
from shared.simulator.wires.wire import Body, bearer, checked

if TYPE_CHECKING:
    from shared.simulator.faults import Fault
    from shared.simulator.settings import SimulatorSettings

_AGENT = ("/perplexity/v1/responses", "/perplexity/v1/agent")
_CHAT = ("/perplexity/chat/completions", "/perplexity/v1/sonar")
_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class _Said(Body):
    role: Literal["user", "assistant", "system", "developer", "tool"]
    content: str | list[dict[str, Any]]


class _Chat(Body):
    model: str
    messages: list[_Said]
    max_tokens: int | None = Field(default=None, ge=1)
    stream: bool = False


class _Agent(Body):
    input: str | list[_Said]
    model: str | None = None
    preset: str | None = None
    models: list[str] | None = None
    instructions: str = ""
    tools: list[dict[str, Any]] = Field(default_factory=list)
    tool_choice: str | dict[str, Any] = "auto"
    max_output_tokens: int | None = Field(default=None, ge=1)
    stream: bool = False


class PerplexityWire:
    """Speaks for Perplexity under /perplexity."""

    provider: Literal["perplexity"] = "perplexity"
    prefix = "perplexity"
    request_id_header = "x-request-id"

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings

    def key(self, headers: dict[str, str]) -> str:
        return bearer(headers)

    def read(self, path: str, body: dict[str, Any]) -> Question:
        if path in _AGENT:
            return self._agent(checked(_Agent, body))
        if path in _CHAT:
            return self._chat(checked(_Chat, body))
        raise Refusal(404, "there is nothing at this address")

    def _chat(self, asked: _Chat) -> Question:
        if self._settings.contract and not asked.model.startswith("sonar"):
            raise Refusal(400, f"model: {asked.model[:100]!r} does not chat here")
        if not asked.messages:
            raise Refusal(400, "messages: at least one message is required")
        if asked.messages[-1].role == "assistant":
            raise Refusal(400, "messages: the last message must not be the assistant's")
        return Question(
            provider="perplexity",
            model=asked.model,
            told="\n".join(_text(said.content) for said in asked.messages),
            stream=asked.stream,
            max_tokens=asked.max_tokens,
            dialect="chat",
            extra={"search": True},
        )

    def _agent(self, asked: _Agent) -> Question:
        model = (asked.models or [asked.model or asked.preset or ""])[0]
        if not model:
            raise Refusal(400, "one of model, models and preset is required")
        if self._settings.contract and asked.model and "/" not in asked.model:
            raise Refusal(400, f"model: {asked.model!r} is not of the form provider/model")
        searching = any(tool.get("type") == "web_search" for tool in asked.tools)
        if asked.tool_choice == "required" and not asked.tools:
            raise Refusal(400, "tool_choice: required, but there are no tools")
        told = asked.input if isinstance(asked.input, str) else _said(asked.input)
        return Question(
            provider="perplexity",
            model=model,
            told="\n".join(filter(None, (asked.instructions, told))),
            stream=asked.stream,
            max_tokens=asked.max_output_tokens,
            dialect="agent",
            extra={"search": searching and asked.tool_choice != "none"},
        )

    def answer(self, question: Question, fault: Fault | None) -> Reply:
        kind = AgentAnswer if question.dialect == "agent" else ChatAnswer
        told = kind(question, fault)
        words = self._settings.words_per_chunk
        pieces: tuple[Piece, ...] = (Piece(encode(told.whole()), told.usage.tokens_out),)
        if question.stream:
            pieces = tuple(told.frames(words))
        return Reply(
            pieces=pieces,
            media_type=EVENTS if question.stream else "application/json",
            usage=told.usage,
            outcome=told.outcome,
            length=told.length(words),
            failing=_failing(fault, question.dialect),
        )

    def error(self, refusal: Refusal, request_id: str) -> Reply:
        del request_id
        told: dict[str, Any] = {
            "message": refusal.message,
            "type": _TYPES.get(refusal.status, "invalid_request_error")
            if refusal.status < 500
            else "internal_error",
            "code": refusal.arg[5:] if refusal.arg.startswith("code=") else refusal.status,
        }
        return Reply(
            status=refusal.status,
            headers=retry_after.headers(refusal.arg),
            pieces=(Piece(encode({"error": told})),),
            outcome=f"error:{refusal.status}",
        )


def _said(messages: list[_Said]) -> str:
    return "\n".join(_text(message.content) for message in messages)


def _text(content: str | list[dict[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)


def _failing(fault: Fault | None, dialect: str) -> bytes:
    if fault is None or fault.name != "err_event":
        return b""
    error = {
        "message": "the simulated provider failed in the middle",
        "type": fault.arg or "server",
    }
    if dialect == "agent":
        failed = {"type": "response.failed", "sequence_number": 0, "error": error}
        return event(failed, "response.failed")
    return event({"error": error})
