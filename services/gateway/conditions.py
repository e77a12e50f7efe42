"""Conditions of a statement with their arguments kept apart: only what was asked for is in it.

Postgres may keep one plan for a statement whatever its arguments are, so a condition that is not
wanted has to be left out: it cannot be passed as a null.
"""

from __future__ import annotations

from typing import Any


class Where:
    """Conditions that hold together, and the arguments they speak of."""

    def __init__(self) -> None:
        self._conditions: list[str] = []
        self.arguments: list[Any] = []

    def add(self, condition: str, argument: Any) -> None:  # noqa: ANN401  whatever SQL takes
        """`{}` in the condition stands for the argument."""
        self._conditions.append(condition.format(self.put(argument)))

    def say(self, condition: str) -> None:
        self._conditions.append(condition)

    def put(self, argument: Any) -> str:  # noqa: ANN401
        self.arguments.append(argument)
        return f"${len(self.arguments)}"

    def __str__(self) -> str:
        return " and ".join(self._conditions)


def containing(text: str) -> str:
    """The pattern of whatever contains this text, literally."""
    literal = text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{literal}%"
