"""What a provider's wire format has to offer: read a request, write an answer, write an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.simulator.reply import Refusal

if TYPE_CHECKING:
    from shared.domain.values import Provider
    from shared.simulator.brief import Question
    from shared.simulator.faults import Fault
    from shared.simulator.reply import Reply


class Body(BaseModel):
    """A request body: the fields we read are checked, the others are let through."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Wire(Protocol):
    """One provider's wire format."""

    @property
    def provider(self) -> Provider:
        """Whose format it is."""
        ...

    @property
    def prefix(self) -> str:
        """The first part of the path."""
        ...

    @property
    def request_id_header(self) -> str:
        """The header that carries the request's id; empty if the provider sends none."""
        ...

    def key(self, headers: dict[str, str]) -> str:
        """The API key the client sent; empty if none."""
        ...

    def read(self, path: str, body: dict[str, Any]) -> Question:
        """Understand a request; raises Refusal when the provider would refuse it."""
        ...

    def answer(self, question: Question, fault: Fault | None) -> Reply:
        """The answer, with the fault in it if it is one of content."""
        ...

    def error(self, refusal: Refusal, request_id: str) -> Reply:
        """An error in the provider's own shape."""
        ...


def checked[B: Body](model: type[B], body: dict[str, Any]) -> B:
    """The body as its model; raises a 400 that names the first field that is wrong."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])[:200]
        raise Refusal(400, f"{place}: {first['msg']}") from error


def bearer(headers: dict[str, str]) -> str:
    """The token of `Authorization: Bearer`."""
    return headers.get("authorization", "").removeprefix("Bearer").strip()
