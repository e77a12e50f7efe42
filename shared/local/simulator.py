"""The simulator as a process of its own: `python -m shared.local.simulator --port 9000`."""

from __future__ import annotations

import argparse
import asyncio
from functools import partial

from shared.domain.costs import price
from shared.providers.prices import load_prices
from shared.simulator.app import simulator
from shared.simulator.serving import listening, serve
from shared.simulator.settings import Pace, SimulatorSettings


def main() -> None:
    """Serve until SIGTERM."""
    asked = _arguments().parse_args()
    settings = SimulatorSettings(
        pace=Pace(first_token=asked.first_token, per_chunk=asked.per_chunk),
        picture_side=asked.picture_side,
    )
    app = simulator(settings, partial(price, load_prices()))
    asyncio.run(serve(app, listening("127.0.0.1", asked.port)))


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m shared.local.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--first-token", type=float, default=0.0, help="seconds to the first token")
    parser.add_argument("--per-chunk", type=float, default=0.0, help="seconds per further chunk")
    parser.add_argument("--picture-side", type=int, default=1024, help="a 1K picture's long side")
    return parser


if __name__ == "__main__":
    main()
