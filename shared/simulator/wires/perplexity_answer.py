"""One answer of the simulated Perplexity, with its sources and its own bill, in either format."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any
from uuid import UUID

from shared.domain.values import Usage
from shared.simulator import answers
from shared.simulator.answers.sources import Found, found
from shared.simulator.chance import Chance
from shared.simulator.reply import Piece, chunks, event, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.simulator.brief import Question
    from shared.simulator.faults import Fault

# Dollars: a token in, a token out, one request of the chat format, one search of the agent's.
_IN, _OUT, _REQUEST, _SEARCH = 3e-6, 15e-6, 0.006, 0.005
_MOMENT = 1_790_000_000
_DECLINED = (
    "I'm Perplexity, a search assistant, so I cannot create a research document like this one."
    " I can answer a question about it instead."
)


class _Answer(ABC):
    """What both formats share: text, sources, bill."""

    def __init__(self, question: Question, fault: Fault | None) -> None:
        self.question = question
        self.outcome = "answered"
        self.cut = False
        self.failed = fault is not None and fault.name == "failed"
        self.hex = Chance("perplexity", question.model, question.prompt).hex
        searched = question.extra["search"] and not (fault and fault.name == "no_sources")
        self.sources: list[Found] = found(question.brief) if searched else []
        self.text = self._limited(self._spoil(answers.text(question), fault))
        self.usage = Usage(
            model=question.model,
            tokens_in=tokens(question.prompt),
            tokens_out=tokens(self.text) if self.text else 0,
            searches=1 if self.sources else 0,
            cost_usd=0.0,
        )
        self.usage = self.usage.model_copy(update={"cost_usd": self.bill()["total_cost"]})

    @abstractmethod
    def bill(self) -> dict[str, Any]:
        """What it costs, in the words of its format."""

    def _spoil(self, text: str, fault: Fault | None) -> str:
        if not self.sources:
            text = re.sub(r"\[\d+\]", "", text)
        match fault.name if fault else "":
            case "refusal":
                self.sources, self.outcome = [], "refused"
                return _DECLINED
            case "failed":
                self.sources = []
                return ""
            case "max_tokens":
                self.cut = True
                return text[: len(text) // 2]
            case _:
                return answers.hostile(text, fault)

    def _limited(self, text: str) -> str:
        allowed = self.question.max_tokens
        if allowed is None or tokens(text) <= allowed:
            return text
        self.cut = True
        return text[: max(1, allowed) * 4]

    def length(self, words: int) -> int:
        """How many chunks the text has."""
        return len(chunks(self.text, words))


class ChatAnswer(_Answer):
    """The `chat.completion` object and its stream, which repeats the message so far."""

    def bill(self) -> dict[str, Any]:
        costs = {
            "input_tokens_cost": round(self.usage.tokens_in * _IN, 6),
            "output_tokens_cost": round(self.usage.tokens_out * _OUT, 6),
            "request_cost": _REQUEST,
        }
        return {**costs, "total_cost": round(sum(costs.values()), 6)}

    def whole(self) -> dict[str, Any]:
        return self._told(self.text, "", last=True)

    def frames(self, words: int) -> Iterator[Piece]:
        so_far = ""
        pieces = chunks(self.text, words) or [""]
        for at, piece in enumerate(pieces):
            so_far += piece
            told = self._told(so_far, piece, last=at == len(pieces) - 1)
            yield Piece(event(told), len(so_far) // 4)
        yield Piece(b"data: [DONE]\n\n", self.usage.tokens_out)

    def _told(self, text: str, delta: str, *, last: bool) -> dict[str, Any]:
        choice = {
            "index": 0,
            "finish_reason": ("length" if self.cut else "stop") if last else None,
            "message": {"role": "assistant", "content": text},
            "delta": {"role": "assistant", "content": delta},
        }
        told: dict[str, Any] = {
            "id": str(UUID(self.hex[:32], version=4)),
            "model": self.question.model,
            "created": _MOMENT,
            "object": "chat.completion" if last else "chat.completion.chunk",
            "choices": [choice],
        }
        return {**told, **(self._closing() if last else {})}

    def _closing(self) -> dict[str, Any]:
        used = self.usage
        usage: dict[str, Any] = {
            "prompt_tokens": used.tokens_in,
            "completion_tokens": used.tokens_out,
            "total_tokens": used.tokens_in + used.tokens_out,
            "search_context_size": "low",
            "num_search_queries": used.searches,
            "cost": self.bill(),
        }
        if not self.sources:
            return {"usage": usage}
        results = [source.told() for source in self.sources]
        cited = [source.url for source in self.sources]
        return {"usage": usage, "citations": cited, "search_results": results}


class AgentAnswer(_Answer):
    """The `response` object and its stream of named events."""

    def bill(self) -> dict[str, Any]:
        costs = {
            "input_cost": round(self.usage.tokens_in * _IN, 6),
            "output_cost": round(self.usage.tokens_out * _OUT, 6),
            "tool_calls_cost": _SEARCH * self.usage.searches,
        }
        return {"currency": "USD", **costs, "total_cost": round(sum(costs.values()), 6)}

    def whole(self) -> dict[str, Any]:
        told = self._response(
            "failed" if self.failed else "incomplete" if self.cut else "completed"
        )
        told["output"] = [item for item in (self._searched(), self._message()) if item]
        told["usage"] = self._usage()
        if self.failed:
            told["error"] = {"message": "the simulated run failed", "type": "server_error"}
        if self.cut:
            told["incomplete_details"] = {"reason": "max_output_tokens"}
        return told

    def _response(self, status: str) -> dict[str, Any]:
        return {
            "id": "resp_" + self.hex[:32],
            "object": "response",
            "created_at": _MOMENT,
            "model": self.question.model,
            "status": status,
            "store": False,
            "output": [],
        }

    def _searched(self) -> dict[str, Any]:
        if not self.sources:
            return {}
        results = [{"id": at, **hit.told()} for at, hit in enumerate(self.sources, start=1)]
        queries = [self.question.brief.topic, f"{self.question.brief.topic} advice"]
        return {"type": "search_results", "queries": queries, "results": results}

    def _message(self) -> dict[str, Any]:
        if self.failed:
            return {}
        content = {"type": "output_text", "text": self.text, "annotations": self._annotations()}
        return {
            "type": "message",
            "id": "msg_" + self.hex[32:56],
            "role": "assistant",
            "status": "completed",
            "content": [content],
        }

    def _annotations(self) -> list[dict[str, Any]]:
        marks = re.finditer(r"\[(\d{1,2})\]", self.text)
        known = [mark for mark in marks if 0 < int(mark[1]) <= len(self.sources)]
        return [
            {
                "type": "url_citation",
                "url": self.sources[int(mark[1]) - 1].url,
                "title": self.sources[int(mark[1]) - 1].title,
                "start_index": mark.start(),
                "end_index": mark.end(),
            }
            for mark in known
        ]

    def _usage(self) -> dict[str, Any]:
        used = self.usage
        told: dict[str, Any] = {
            "input_tokens": used.tokens_in,
            "output_tokens": used.tokens_out,
            "total_tokens": used.tokens_in + used.tokens_out,
            "cost": self.bill(),
        }
        if used.searches:
            told["tool_calls_details"] = {"web_search": {"invocation": used.searches}}
        return told

    def frames(self, words: int) -> Iterator[Piece]:
        for number, (kind, data, spent) in enumerate(self._events(words)):
            yield Piece(event({"type": kind, "sequence_number": number, **data}, kind), spent)

    def _events(self, words: int) -> Iterator[tuple[str, dict[str, Any], int]]:
        yield "response.created", {"response": self._response("in_progress")}, 0
        if searched := self._searched():
            queries, results = searched["queries"], searched["results"]
            yield "response.reasoning.started", {"thought": ""}, 0
            yield "response.reasoning.search_queries", {"queries": queries}, 0
            yield "response.reasoning.search_results", {"results": results}, 0
            yield "response.reasoning.stopped", {"thought": ""}, 0
        if self.failed:
            yield "response.failed", {"error": self.whole()["error"]}, 0
            return
        yield from self._text_events(words, self._message())
        yield "response.completed", {"response": self.whole()}, self.usage.tokens_out

    def _text_events(
        self, words: int, item: dict[str, Any]
    ) -> Iterator[tuple[str, dict[str, Any], int]]:
        place = {"item_id": item["id"], "output_index": 1 if self.sources else 0}
        index = {"output_index": place["output_index"]}
        begun = {**item, "status": "in_progress", "content": []}
        yield "response.output_item.added", {"item": begun, **index}, 0
        sent = 0
        for piece in chunks(self.text, words):
            sent += len(piece)
            delta = {"delta": piece, "content_index": 0, **place}
            yield "response.output_text.delta", delta, sent // 4
        done = {"text": self.text, "content_index": 0, **place}
        yield "response.output_text.done", done, self.usage.tokens_out
        yield "response.output_item.done", {"item": item, **index}, self.usage.tokens_out
