"""The six stages in a row, with the real adapters and SDKs over HTTP against the simulator."""

from __future__ import annotations

import io
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from services.edit.stage import edit
from services.images.stage import images
from services.outline.stage import outline
from services.ready.stage import ready
from services.research.stage import research
from services.write.stage import write
from shared.content.checklist import known_pages
from shared.content.frontmatter import split
from shared.content.links import unknown
from shared.content.measure import measure
from shared.domain.values import ModelSettings, PostConfig, Stage
from shared.providers import claude, gemini, perplexity
from shared.simulator.app import simulator
from shared.simulator.serving import serving
from shared.simulator.settings import SimulatorSettings
from tests.unit.stages.desk import PaperDesk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from shared.domain.values import Level, Provider, Source
    from shared.providers.port import Answer, Model, Request
    from shared.runtime.desk import Work

STAGES = {
    Stage.RESEARCH: research,
    Stage.OUTLINE: outline,
    Stage.WRITE: write,
    Stage.EDIT: edit,
    Stage.IMAGES: images,
    Stage.READY: ready,
}
MODELS = {
    Stage.RESEARCH: ModelSettings(provider="perplexity", model="perplexity/sonar"),
    Stage.IMAGES: ModelSettings(
        provider="claude", model="claude-haiku-5-5", image_model="gemini-3.1-flash-image"
    ),
}
WRITER = ModelSettings(provider="claude", model="claude-sonnet-5-5")


class CallingDesk(PaperDesk):
    """The desk on paper, except that a question goes to the provider's own adapter."""

    models: Mapping[Provider, Model]

    async def ask(
        self, key: str, request: Request, *, asking: str, level: Level = "info"
    ) -> Answer:
        self.asked[key] = request
        self.asking.append(f"{level}: {asking}")
        return await self.models[request.provider].call(request)


@asynccontextmanager
async def adapters() -> AsyncIterator[Mapping[Provider, Model]]:
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        url = await enter(serving(simulator(SimulatorSettings(picture_side=64), lambda _: 0.0)))
        yield {
            "claude": await enter(claude.connect(api_key="k", base_url=f"{url}/anthropic")),
            "gemini": await enter(gemini.connect(api_key="k", base_url=f"{url}/gemini")),
            "perplexity": await enter(
                perplexity.connect(api_key="k", base_url=f"{url}/perplexity")
            ),
        }


@pytest.mark.parametrize(
    "topic",
    ["How to Train a Puppy", "Sourdough for beginners", "Budgeting with a partner: a guide"],
)
async def test_a_topic_becomes_an_illustrated_article(topic):
    config = PostConfig(topic=topic, slug="a-post", word_count=900)
    outputs: dict[Stage, str] = {}
    works: dict[Stage, Work] = {}
    sources: tuple[Source, ...] = ()
    kept: dict[str, bytes] = {}
    async with adapters() as models:
        for stage, work in STAGES.items():
            desk = CallingDesk(
                {}, dict(outputs), sources, config, MODELS.get(stage, WRITER), kept=kept
            )
            desk.models = models
            works[stage] = await work(desk)
            outputs[stage] = works[stage].output
            sources = works[Stage.RESEARCH].sources
    article = outputs[Stage.EDIT]
    assert len(sources) >= 3
    assert measure(article).headings[0].level == 1
    assert 0.7 < measure(article).word_count / 900 < 1.3
    assert unknown(article, known_pages(config, sources)) == ()
    made = json.loads(outputs[Stage.IMAGES])
    assert (made["total_generated"], made["total_failed"]) == (4, 0)
    assert works[Stage.IMAGES].warnings == ()
    for each in made["images"]:
        assert Image.open(io.BytesIO(kept[each["blob"]["digest"]])).format == "WEBP"
    fields, body = split(outputs[Stage.READY])
    assert fields["featuredImage"] == f"media/{made['images'][0]['filename']}"
    assert body.count("\n![") == 3
    assert works[Stage.READY].warnings == ()
    again = [line for line in body.split("\n") if line.strip() and not line.startswith("![")]
    assert again == [line for line in article.split("\n") if line.strip()]
