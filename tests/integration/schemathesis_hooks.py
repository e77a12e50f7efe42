"""Every well-formed Idempotency-Key is made a new one: a used key answers 422, as it has to."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import schemathesis

KEY = "Idempotency-Key"
WELL_FORMED = re.compile(r"[!-~]{1,255}")


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    said = case.headers.get(KEY) if case.headers else None
    if isinstance(said, str) and WELL_FORMED.fullmatch(said):
        case.headers[KEY] = uuid4().hex
