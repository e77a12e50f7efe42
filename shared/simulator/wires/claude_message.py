"""One answer of the simulated Claude: blocks, stop reason and usage, as JSON or as events."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from shared.domain.values import Usage
from shared.simulator import answers
from shared.simulator.chance import Chance
from shared.simulator.reply import Piece, chunks, event, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.simulator.brief import Question
    from shared.simulator.faults import Fault

_THINKING = {"low": 60, "medium": 180, "high": 420, "xhigh": 800, "max": 1_200}


class Message:
    """One answer of Claude's: its blocks, why it stopped, what it cost."""

    def __init__(self, question: Question, fault: Fault | None) -> None:
        self._question = question
        self._chance = Chance("claude", question.model, question.prompt)
        self._stop = "end_turn"
        self._explained: dict[str, Any] | None = None
        self.outcome = "answered"
        self._thought = self._thinking_tokens()
        self.text = self._cut(self._spoil(answers.text(question), fault))
        self.spent = self._thought + (tokens(self.text) if self.text else 1)
        self.usage = self._used()

    def _thinking_tokens(self) -> int:
        asked = self._question
        always = asked.model.endswith("-5-5") and "haiku" not in asked.model
        if not always and asked.thinking not in ("enabled", "adaptive"):
            return 0
        return _THINKING.get(asked.effort, 180) + self._chance.below(60)

    def _spoil(self, text: str, fault: Fault | None) -> str:
        match fault.name if fault else "":
            case "invalid_json":
                return (
                    'Here is the manifest:\n```json\n{"images": [{"type": "featured", "prompt": "A'
                )
            case "max_tokens":
                self._stop = "max_tokens"
                return text[: len(text) // 2]
            case "refusal":
                self._stop, self.outcome = "refusal", "refused"
                self._explained = {
                    "type": "refusal",
                    "category": None,
                    "explanation": "The simulated model declines to answer this.",
                }
                return ""
            case "pause_turn":
                self._stop = "pause_turn"
            case _:
                return answers.hostile(text, fault)
        return text

    def _cut(self, text: str) -> str:
        allowed = self._question.max_tokens
        if allowed is None or self._thought + tokens(text) <= allowed:
            return text
        self._stop = "max_tokens"
        self._thought = min(self._thought, allowed)
        return text[: max(0, allowed - self._thought) * 4]

    def _used(self) -> Usage:
        ttl, _, held = self._question.cached.partition(":")
        written = tokens(held) if self._question.cached else 0
        return Usage(
            model=self._question.model,
            tokens_in=max(tokens(self._question.prompt), written),
            tokens_out=self.spent,
            tokens_thinking=self._thought,
            cache_write=0 if ttl == "1h" else written,
            cache_write_1h=written if ttl == "1h" else 0,
        )

    def _told_usage(self) -> dict[str, Any]:
        used = self.usage
        written = used.cache_write + used.cache_write_1h
        return {
            "input_tokens": used.tokens_in - written,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": 0,
            "cache_creation": {
                "ephemeral_5m_input_tokens": used.cache_write,
                "ephemeral_1h_input_tokens": used.cache_write_1h,
            },
            "output_tokens": used.tokens_out,
            "output_tokens_details": {"thinking_tokens": used.tokens_thinking},
            "server_tool_use": None,
            "service_tier": "standard",
            "inference_geo": "not_available",
        }

    def _blocks(self) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if self._thought:
            shown = (
                "I weigh the brief and plan the answer." if self._question.extra["shown"] else ""
            )
            signed = base64.b64encode(bytes.fromhex(self._chance.hex)).decode()
            blocks.append({"type": "thinking", "thinking": shown, "signature": signed})
        if self.outcome != "refused":
            blocks.append({"type": "text", "text": self.text, "citations": None})
        return blocks

    def whole(self) -> dict[str, Any]:
        """The message as one JSON object."""
        return {
            "id": "msg_sim_" + self._chance.hex[:24],
            "type": "message",
            "role": "assistant",
            "model": self._question.model,
            "content": self._blocks(),
            "container": None,
            "stop_reason": self._stop,
            "stop_sequence": None,
            "stop_details": self._explained,
            "usage": self._told_usage(),
        }

    def chunks(self, words: int) -> list[str]:
        """The text as it would be streamed."""
        return chunks(self.text, words)

    def frames(self, words: int) -> Iterator[Piece]:
        """The message as events, each with the output tokens sent by then."""
        begun: dict[str, Any] = {"content": [], "stop_reason": None, "stop_details": None}
        start = {**self.whole(), **begun, "usage": {**self._told_usage(), "output_tokens": 1}}
        yield _frame({"type": "message_start", "message": start}, 0)
        for index, block in enumerate(self._blocks()):
            yield from self._block_frames(index, block, words)
        ended = {"stop_reason": self._stop, "stop_sequence": None, "stop_details": self._explained}
        final = {"type": "message_delta", "delta": ended, "usage": self._told_usage()}
        yield _frame(final, self.spent)
        yield _frame({"type": "message_stop"}, self.spent)

    def _block_frames(self, index: int, block: dict[str, Any], words: int) -> Iterator[Piece]:
        thinking = block["type"] == "thinking"
        empty = {**block, "thinking": "", "signature": ""} if thinking else {**block, "text": ""}
        before = 0 if thinking else self._thought
        start = {"type": "content_block_start", "index": index, "content_block": empty}
        yield _frame(start, before)
        if not thinking:
            yield _frame({"type": "ping"}, before)
        sent = 0
        for delta in _deltas(block, words):
            sent += len(delta.get("text", ""))
            spent = self._thought if thinking else before + sent // 4
            yield _frame({"type": "content_block_delta", "index": index, "delta": delta}, spent)
        yield _frame({"type": "content_block_stop", "index": index}, before + sent // 4)


def _deltas(block: dict[str, Any], words: int) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        for piece in chunks(block["text"], words):
            yield {"type": "text_delta", "text": piece}
        return
    if block["thinking"]:
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
    yield {"type": "signature_delta", "signature": block["signature"]}


def _frame(data: dict[str, Any], spent: int) -> Piece:
    return Piece(event(data, data["type"]), spent)
