"""Perplexity's older format, `chat/completions`: citations stand beside the text, in its order.

It searches unless told not to, and knows no effort.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from shared.domain.values import Source, Usage
from shared.providers.failures import Failed, Verdict, cut_off
from shared.providers.perplexity_agent import bill

if TYPE_CHECKING:
    from shared.providers.failures import Told
    from shared.providers.port import Request

PATH = "/chat/completions"


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    finish_reason: str | None = None
    message: _Message


class _Result(BaseModel):
    url: str
    title: str | None = None
    date: str | None = None
    snippet: str | None = None


class _Cost(BaseModel):
    total_cost: float | None = None


class _Figures(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int | None = None
    num_search_queries: int | None = None
    cost: _Cost | None = None


class _Completion(BaseModel):
    id: str = ""
    choices: list[_Choice] = Field(min_length=1)
    citations: list[str] | None = None
    search_results: list[_Result] | None = None
    usage: _Figures | None = None


def body(request: Request) -> dict[str, Any]:
    system = [{"role": "system", "content": request.system}] if request.system else []
    told: dict[str, Any] = {
        "model": request.model,
        "messages": [*system, {"role": "user", "content": request.prompt}],
        "max_tokens": request.max_tokens or None,
        "response_format": _response_format(request),
        "web_search_options": {"search_context_size": "medium"} if request.search else None,
        "disable_search": None if request.search else True,
    }
    given = {name: value for name, value in told.items() if value is not None}
    return {**given, "stream": False}


def read(content: bytes, model: str, told: Told) -> tuple[Source, ...]:
    """Take the answer in: text, usage and id to `told`; its sources, if it is complete."""
    completion = _Completion.model_validate_json(content)
    choice = completion.choices[0]
    told.request_id = completion.id
    told.add(choice.message.content or "")
    told.usage = _usage(model, completion.usage)
    told.final = told.usage is not None
    _require_complete(choice.finish_reason)
    return tuple(_sources(completion))


def _response_format(request: Request) -> dict[str, Any] | None:
    if request.schema is None:
        return None
    return {"type": "json_schema", "json_schema": {"schema": request.schema}}


def _require_complete(reason: str | None) -> None:
    match reason:
        case "stop":
            return
        case None:
            raise Failed(cut_off("the answer ended before the model did"))
        case "length":
            raise Failed(Verdict(code="max_tokens", message="cut off by its limit", unsure=True))
        case "content_filter":
            raise Failed(Verdict(code="refusal", message="the answer was filtered", unsure=True))
        case _:
            raise Failed(
                Verdict(code="unexpected_stop", message=f"stopped by {reason}", unsure=True)
            )


def _usage(model: str, figures: _Figures | None) -> Usage | None:
    if figures is None:
        return None
    return Usage(
        model=model,
        tokens_in=figures.prompt_tokens,
        tokens_out=figures.completion_tokens,
        tokens_thinking=figures.reasoning_tokens or 0,
        searches=figures.num_search_queries or 0,
        cost_usd=bill(figures.cost.total_cost if figures.cost else None),
    )


def _sources(completion: _Completion) -> list[Source]:
    results = completion.search_results or []
    pages = {result.url: result for result in reversed(results)}
    urls = completion.citations or [result.url for result in results]
    return [
        _source(number, pages.get(url) or _Result(url=url))
        for number, url in enumerate(urls, start=1)
    ]


def _source(number: int, result: _Result) -> Source:
    return Source(
        number=number,
        url=result.url,
        title=result.title or "",
        date=result.date,
        snippet=result.snippet or "",
    )
