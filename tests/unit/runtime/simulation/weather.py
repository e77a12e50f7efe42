"""What can go wrong in one simulated life, and how often: drawn once from its seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

FAIR = 0.45
"""How likely one kind of trouble stays away from a life altogether."""


class Dice:
    """All chance of one life comes from here."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def chance(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def between(self, low: float, high: float) -> float:
        return self._random.uniform(low, high)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def pick[T](self, choices: list[T]) -> T:
        return self._random.choice(choices)

    def pause(self, usual: float) -> float:
        """Mostly short, now and then twenty times as long."""
        return usual * (self._random.random() + (19 * self._random.random() ** 12))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Probabilities per operation."""

    slow: float = 0.005
    dies: float = 0.0
    freezes: float = 0.0
    drains: float = 0.0
    unconfirmed: float = 0.0
    away: float = 0.0
    lags: float = 0.0
    beats_lost: float = 0.0
    acks_lost: float = 0.0
    twice: float = 0.0
    fails: float = 0.0
    huge: float = 0.0
    outage: tuple[float, float] = (0.0, 0.0)
    people: int = 0
    gates: bool = False


CALM = Weather()


def drawn(dice: Dice) -> Weather:
    """Each kind of trouble is absent, rare or frequent, whatever the others are."""

    def often(most: float) -> float:
        return 0.0 if dice.chance(FAIR) else dice.between(0.0, most)

    down = dice.between(0.0, 600.0)
    return Weather(
        slow=dice.pick([0.002, 0.05, 0.5, 3.0]),
        dies=often(0.2),
        freezes=often(0.1),
        drains=often(0.15),
        unconfirmed=often(0.5),
        away=often(0.3),
        lags=often(0.15),
        beats_lost=often(0.3),
        acks_lost=often(0.3),
        twice=often(0.2),
        fails=often(0.5),
        huge=often(0.03),
        outage=(0.0, 0.0) if dice.chance(FAIR) else (down, down + dice.between(0.0, 3600.0)),
        people=0 if dice.chance(FAIR) else dice.number(1, 6),
        gates=dice.chance(0.3),
    )
