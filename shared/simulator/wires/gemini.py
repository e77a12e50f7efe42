"""The Gemini Developer API: generateContent and streamGenerateContent, pictures and short texts."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from shared.domain.values import Usage
from shared.simulator import answers
from shared.simulator.answers.picture import RATIOS, SIZES, picture, spoiled
from shared.simulator.brief import Question
from shared.simulator.chance import Chance
from shared.simulator.reply import EVENTS, Piece, Refusal, Reply, encode, event, tokens
from shared.simulator.wires import retry_after
from shared.simulator.wires.wire import Body, checked

if TYPE_CHECKING:
    from shared.simulator.faults import Fault
    from shared.simulator.settings import SimulatorSettings

_PATH = re.compile(r"/gemini/(?:v1|v1beta)/models/([^/:]{1,100}):(\w+)")
_METHODS = ("generateContent", "streamGenerateContent")
_STATES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPE = "type.googleapis.com/google.rpc."
_PICTURE_TOKENS = {"1K": 1_290, "2K": 1_680, "4K": 2_520}
_LENGTH = 20


class _Content(Body):
    parts: list[dict[str, Any]]


class _Image(Body):
    aspectRatio: str = "1:1"  # noqa: N815
    imageSize: str = "1K"  # noqa: N815


class _Config(Body):
    responseModalities: tuple[str, ...] = Field(default=(), strict=False)  # noqa: N815
    imageConfig: _Image = _Image()  # noqa: N815
    maxOutputTokens: int | None = Field(default=None, ge=1)  # noqa: N815


class _Generate(Body):
    contents: list[_Content]
    generationConfig: _Config = _Config()  # noqa: N815
    systemInstruction: _Content | None = None  # noqa: N815
    continuationToken: str | None = None  # noqa: N815


class GeminiWire:
    """Speaks for Gemini under /gemini."""

    provider: Literal["gemini"] = "gemini"
    prefix = "gemini"
    request_id_header = ""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._settings = settings

    def key(self, headers: dict[str, str]) -> str:
        return headers.get("x-goog-api-key", "")

    def read(self, path: str, body: dict[str, Any]) -> Question:
        match = _PATH.fullmatch(path)
        if match is None or match[2] not in _METHODS:
            raise Refusal(404, "there is nothing at this address")
        asked = checked(_Generate, body)
        texts = [
            str(part.get("text", ""))
            for content in (*filter(None, [asked.systemInstruction]), *asked.contents)
            for part in content.parts
        ]
        if not any(texts):
            raise Refusal(400, "contents: there is nothing to answer")
        return self._question(match[1], match[2], asked, "\n".join(texts))

    def _question(self, model: str, method: str, asked: _Generate, told: str) -> Question:
        config = asked.generationConfig
        drawn = "IMAGE" in config.responseModalities
        if drawn and "image" not in model and "banana" not in model:
            raise Refusal(400, f"{model} does not draw pictures")
        if (
            config.imageConfig.aspectRatio not in RATIOS
            or config.imageConfig.imageSize not in SIZES
        ):
            raise Refusal(400, "generationConfig.imageConfig: unknown aspect ratio or size")
        return Question(
            provider="gemini",
            model=model,
            told=told,
            stream=method == "streamGenerateContent",
            max_tokens=config.maxOutputTokens,
            ratio=config.imageConfig.aspectRatio,
            size=config.imageConfig.imageSize,
            picture=drawn or "image" in model or "banana" in model,
            extra={"continued": asked.continuationToken is not None},
        )

    def answer(self, question: Question, fault: Fault | None) -> Reply:
        body, usage, outcome = _Candidate(question, fault, self._settings.picture_side).told()
        pieces: tuple[Piece, ...] = (Piece(encode(body), usage.tokens_out),)
        if question.stream:
            pieces = (Piece(b": go\n\n"), Piece(event(body), usage.tokens_out))
        return Reply(
            pieces=pieces,
            media_type=EVENTS if question.stream else "application/json; charset=UTF-8",
            usage=usage,
            outcome=outcome,
            length=_LENGTH,
            failing=_failing(fault),
        )

    def error(self, refusal: Refusal, request_id: str) -> Reply:
        del request_id
        body = {"error": _error(refusal.status, refusal.message, refusal.arg)}
        status = body["error"]["code"]
        return Reply(status=status, pieces=(Piece(encode(body)),), outcome=f"error:{status}")


def _error(status: int, message: str, arg: str) -> dict[str, Any]:
    # A wrong key is a 400 here, and the reason stands in the details.
    if status == 401:
        info = {"@type": f"{_TYPE}ErrorInfo", "reason": "API_KEY_INVALID"}
        return {"code": 400, "message": message, "status": _STATES[400], "details": [info]}
    details = _quota(arg) if status == 429 else []
    return {
        "code": status,
        "message": message,
        "status": _STATES.get(status, "UNKNOWN"),
        "details": details,
    }


def _quota(arg: str) -> list[dict[str, Any]]:
    period = "Day" if arg == "daily" else "Minute"
    quota = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_requests",
        "quotaId": f"GenerateRequestsPer{period}PerProjectPerModel",
    }
    delay = retry_after.seconds(arg) or ("43200" if arg == "daily" else "7")
    return [
        {"@type": f"{_TYPE}QuotaFailure", "violations": [quota]},
        {"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{delay}s"},
    ]


def _failing(fault: Fault | None) -> bytes:
    if fault is None or fault.name != "err_event":
        return b""
    error = _error(503, "the simulated provider failed in the middle", "")
    return event({"error": {**error, "status": fault.arg or "UNAVAILABLE"}})


class _Candidate:
    """One answer of the simulated Gemini."""

    def __init__(self, question: Question, fault: Fault | None, side: int) -> None:
        self._question = question
        self._fault = fault.name if fault else ""
        self._arg = fault.arg if fault else ""
        self._side = side
        self._hex = Chance("gemini", question.model, question.prompt).hex

    def told(self) -> tuple[dict[str, Any], Usage, str]:
        """The response body, what it is billed as, and the journal's word for it."""
        if self._fault == "prompt_block":
            reason = {"promptFeedback": {"blockReason": self._arg or "PROHIBITED_CONTENT"}}
            return self._with_usage(reason, 0, 0), self._usage(0, 0), "refused"
        if blocked := self._no_picture():
            spent = tokens("".join(part["text"] for part in blocked.get("parts", [])))
            return self._candidate(**blocked, spent=spent), self._usage(spent, 0), "refused"
        if not self._question.picture:
            text = answers.text(self._question)
            spent = tokens(text)
            body = self._candidate(parts=[{"text": text}], spent=spent)
            return body, self._usage(spent, 0), "answered"
        drawn = _PICTURE_TOKENS[self._question.size]
        body = self._candidate(parts=[self._picture()], spent=drawn, drawn=drawn)
        return body, self._usage(drawn, drawn), "answered"

    def _no_picture(self) -> dict[str, Any]:
        if self._fault == "safety_block":
            return {"finish": self._arg or "IMAGE_SAFETY"}
        if self._fault == "max_tokens":
            return {"finish": "MAX_TOKENS"}
        if self._fault == "no_image":
            return {"finish": "NO_IMAGE", "parts": [{"text": "This is not something I can draw."}]}
        return {}

    def _picture(self) -> dict[str, Any]:
        asked = self._question
        if self._fault == "huge":
            data = b"\x00" * int(self._arg or 5_000_000)
        else:
            data = picture(asked.prompt, asked.ratio, asked.size, self._side)
            data = spoiled(data, self._fault)
        return {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(data).decode()}}

    def _candidate(
        self,
        *,
        finish: str = "STOP",
        parts: list[dict[str, Any]] | None = None,
        spent: int = 0,
        drawn: int = 0,
    ) -> dict[str, Any]:
        told: dict[str, Any] = {"index": 0, "finishReason": finish}
        if parts is not None:
            told["content"] = {"role": "model", "parts": parts}
        if self._fault == "continuation" and not self._question.extra["continued"]:
            token = base64.b64encode(self._hex[:12].encode()).decode()
            told.update(finishReason="CONTINUATION", continuationToken=token)
        return self._with_usage({"candidates": [told]}, spent, drawn)

    def _with_usage(self, body: dict[str, Any], spent: int, drawn: int) -> dict[str, Any]:
        told = tokens(self._question.prompt)
        kind = "IMAGE" if drawn else "TEXT"
        usage: dict[str, Any] = {
            "promptTokenCount": told,
            "totalTokenCount": told + spent,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": told}],
        }
        if spent:
            usage["candidatesTokenCount"] = spent
            usage["candidatesTokensDetails"] = [{"modality": kind, "tokenCount": spent}]
        named = {"modelVersion": self._question.model, "responseId": self._hex[:22]}
        return {**body, "usageMetadata": usage, **named}

    def _usage(self, spent: int, drawn: int) -> Usage:
        return Usage(
            model=self._question.model,
            tokens_in=tokens(self._question.prompt),
            tokens_out=spent,
            tokens_image=drawn,
        )
