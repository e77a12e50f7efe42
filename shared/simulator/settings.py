"""How the simulator behaves when nothing says otherwise: pace, picture size, bounds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Pace(BaseModel):
    """How long an answer takes: seconds before the first token, then seconds for each chunk."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    first_token: float = Field(default=0.0, ge=0, le=600)
    per_chunk: float = Field(default=0.0, ge=0, le=60)


class SimulatorSettings(BaseModel):
    """Everything that can be chosen at start. The defaults answer instantly and refuse what the
    current models refuse (`contract`). `picture_side` is the long side of a 1K picture in pixels.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    contract: bool = True
    pace: Pace = Pace()
    words_per_chunk: int = Field(default=8, ge=1)
    picture_side: int = Field(default=1024, ge=16, le=4096)
    journal_limit: int = Field(default=100_000, ge=1)
    body_limit: int = Field(default=32_000_000, ge=1)
