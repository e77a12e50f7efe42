"""Perplexity's current format: one answer made of search results and messages, with its own bill.

The model is pinned (no fallback chain, no preset) and the answer is not kept at the provider's.
A search result's `id` is the [n] of the text it belongs to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from shared.domain.values import Source, Usage
from shared.providers.failures import ErrorReply, Failed, Verdict, judge, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.providers.failures import Told
    from shared.providers.port import Request

PATH = "/v1/responses"
SEARCH = {"type": "web_search", "search_context_size": "medium"}


class _Result(BaseModel):
    id: int = 0
    url: str
    title: str | None = None
    date: str | None = None
    snippet: str | None = None


class _Found(BaseModel):
    """What one search found."""

    results: list[_Result]


class _Annotation(BaseModel):
    url: str | None = None
    title: str | None = None


class _Part(BaseModel):
    type: str = ""
    text: str = ""
    annotations: list[_Annotation] | None = None


class _Message(BaseModel):
    content: list[_Part]


class _Cost(BaseModel):
    total_cost: float | None = None


class _InputDetails(BaseModel):
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None


class _Tool(BaseModel):
    invocation: int | None = None


class _Figures(BaseModel):
    input_tokens: int = 0
    output_tokens: int = 0
    input_tokens_details: _InputDetails | None = None
    tool_calls_details: dict[str, _Tool] | None = None
    cost: _Cost | None = None


class _Error(BaseModel):
    message: str = ""
    type: str | None = None
    code: str | None = None


class _Incomplete(BaseModel):
    reason: str = ""


class _Response(BaseModel):
    id: str = ""
    status: str
    output: list[dict[str, Any]]
    usage: _Figures | None = None
    error: _Error | None = None
    incomplete_details: _Incomplete | None = None

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Items of other kinds share field names with these, and are never looked into."""
        return [item for item in self.output if item.get("type") == kind]


def body(request: Request) -> dict[str, Any]:
    told: dict[str, Any] = {
        "model": request.model,
        "input": request.prompt,
        "instructions": request.system or None,
        "max_output_tokens": request.max_tokens or None,
        "reasoning": {"effort": request.effort} if request.effort else None,
        "response_format": _response_format(request),
        "tools": [SEARCH] if request.search else None,
        "tool_choice": "required" if request.search else None,
    }
    given = {name: value for name, value in told.items() if value is not None}
    return {**given, "stream": False, "store": False}


def read(content: bytes, model: str, told: Told) -> tuple[Source, ...]:
    """Take the answer in: text, usage and id to `told`; its sources, if it is complete."""
    response = _Response.model_validate_json(content)
    told.request_id = response.id
    for part in _parts(response):
        told.add(part.text if part.type == "output_text" else "")
    told.usage = _usage(model, response)
    told.final = told.usage is not None
    _require_complete(response)
    return tuple(_sources(response))


def _response_format(request: Request) -> dict[str, Any] | None:
    if request.schema is None:
        return None
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": request.schema, "strict": True},
    }


def _require_complete(response: _Response) -> None:
    match response.status:
        case "completed":
            return
        case "incomplete":
            raise Failed(_incomplete(response.incomplete_details))
        case "failed" if response.error is not None:
            raise Failed(judge(_reply(response.error)))
        case "failed":
            raise Failed(unreadable("the answer failed and does not say why"))
        case status:
            raise Failed(
                Verdict(code="unexpected_stop", message=f"the answer is {status}", unsure=True)
            )


def _incomplete(details: _Incomplete | None) -> Verdict:
    reason = details.reason if details else ""
    code = "refusal" if reason == "content_filter" else "max_tokens"
    message = f"the answer is incomplete: {reason or 'no reason given'}"
    return Verdict(code=code, message=message, unsure=True)


def _reply(error: _Error) -> ErrorReply:
    kind, code = error.type or "", error.code or ""
    return ErrorReply(status=200, kind=kind or code, error_code=code, message=error.message)


def _parts(response: _Response) -> list[_Part]:
    messages = [_Message.model_validate(item) for item in response.items("message")]
    return [part for message in messages for part in message.content]


def _usage(model: str, response: _Response) -> Usage | None:
    figures = response.usage
    if figures is None:
        return None
    details = figures.input_tokens_details or _InputDetails()
    return Usage(
        model=model,
        tokens_in=figures.input_tokens,
        tokens_out=figures.output_tokens,
        cache_read=details.cache_read_input_tokens or 0,
        cache_write=details.cache_creation_input_tokens or 0,
        searches=_searches(figures, response),
        cost_usd=bill(figures.cost.total_cost if figures.cost else None),
    )


def _searches(figures: _Figures, response: _Response) -> int:
    tool = (figures.tool_calls_details or {}).get("web_search")
    if tool is not None and tool.invocation is not None:
        return tool.invocation
    return len(response.items("search_results"))


def bill(total: float | None) -> float | None:
    """A bill that is no amount of money (negative, infinite, not a number) is no bill."""
    return total if total is not None and 0 <= total < float("inf") else None


def _sources(response: _Response) -> Iterable[Source]:
    searches = [_Found.model_validate(item) for item in response.items("search_results")]
    results = [result for search in searches for result in search.results]
    if not results:
        return _annotated(response)
    return _by_id(results) if _numbered(results) else _in_order(results)


def _numbered(results: list[_Result]) -> bool:
    """Each id stands for one page, from 1: then it is the [n] of the text."""
    pages = {result.id: result.url for result in results}
    return min(pages) >= 1 and all(pages[result.id] == result.url for result in results)


def _by_id(results: list[_Result]) -> list[Source]:
    pages = {result.id: result for result in reversed(results)}
    return [_source(number, pages[number]) for number in sorted(pages)]


def _in_order(results: list[_Result]) -> list[Source]:
    pages = {result.url: result for result in reversed(results)}
    urls = dict.fromkeys(result.url for result in results)
    return [_source(number, pages[url]) for number, url in enumerate(urls, start=1)]


def _source(number: int, result: _Result) -> Source:
    return Source(
        number=number,
        url=result.url,
        title=result.title or "",
        date=result.date,
        snippet=result.snippet or "",
    )


def _annotated(response: _Response) -> list[Source]:
    """No search result came along: the pages the text itself points at, in its order."""
    titles: dict[str, str] = {}
    for part in _parts(response):
        for note in part.annotations or []:
            if note.url:
                titles.setdefault(note.url, note.title or "")
    return [
        Source(number=number, url=url, title=title)
        for number, (url, title) in enumerate(titles.items(), start=1)
    ]
