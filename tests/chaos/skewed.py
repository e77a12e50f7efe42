"""A stage whose clock is wrong: `python -m tests.chaos.skewed SECONDS MODULE` runs a service so."""

from __future__ import annotations

import runpy
import sys
from datetime import UTC, datetime, timedelta

from shared.runtime import service


def main() -> None:
    """Everything a stage service knows of the time comes from this one function."""
    ahead, module = timedelta(seconds=float(sys.argv[1])), sys.argv[2]
    service.utc_now = lambda: datetime.now(UTC) + ahead
    runpy.run_module(module, run_name="__main__")


if __name__ == "__main__":
    main()
