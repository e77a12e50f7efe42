"""What Claude refuses with 400: what every model does, and what the current models dropped."""

from __future__ import annotations

from typing import Any

_SAMPLING = ("temperature", "top_p", "top_k")


def basics(body: dict[str, Any], *, counting: bool) -> str:
    """Why no model would take this request; empty when it is in order."""
    messages = body["messages"]
    limit = body.get("max_tokens")
    if not counting and not isinstance(limit, int):
        return "max_tokens: Field required"
    if limit is not None and limit < 1:
        return "max_tokens: must be at least 1"
    if not messages:
        return "messages: at least one message is required"
    if messages[0]["role"] != "user":
        return "messages: the first message must use the user role"
    return _output_config(body.get("output_config"))


def _output_config(config: dict[str, Any] | None) -> str:
    effort = (config or {}).get("effort")
    if effort is not None and effort not in ("low", "medium", "high", "xhigh", "max"):
        return "output_config.effort: must be low, medium, high, xhigh or max"
    shape = (config or {}).get("format")
    if shape is None:
        return ""
    if not isinstance(shape, dict) or shape.get("type") != "json_schema":
        return "output_config.format.type: must be json_schema"
    schema = shape.get("schema")
    if not isinstance(schema, dict) or not (schema.get("type") == "object" or "$ref" in schema):
        return "output_config.format.schema: must describe an object"
    return ""


def current_models(body: dict[str, Any]) -> str:
    """Why a current model refuses what older ones took; empty when it does not."""
    model = body["model"]
    if not model.endswith("-5-5") or "haiku" in model:
        return ""
    thinking = (body.get("thinking") or {}).get("type")
    if thinking in ("enabled", "disabled"):
        return f"thinking.type: {thinking!r} is not supported by {model}"
    if thinking == "between_tools" and "opus" in model:
        return f"thinking.type: {thinking!r} is not supported by {model}"
    return _dropped(body)


def _dropped(body: dict[str, Any]) -> str:
    model = body["model"]
    for name in _SAMPLING:
        if name in body:
            return f"{name}: sampling parameters are not supported by {model}"
    if body["messages"][-1]["role"] == "assistant":
        return f"messages: {model} does not continue a started answer (prefill)"
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") in ("any", "tool"):
        return f"tool_choice: {model} cannot be forced to use a tool"
    return ""
