"""The gateway as an ASGI application, made of what it is handed and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware import Middleware
from starlette.routing import Route

from services.gateway import control, events, files, pages, posts, problems
from services.gateway.body_limit import BodyLimit
from shared.runtime.health import health

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from services.gateway.context import Gateway
    from shared.runtime.health import App

_ABOUT = "A topic becomes an illustrated article; every change is an event, every event a stream."


class _Probe:
    """A health check as a route: starlette takes functions for handlers of another kind."""

    def __init__(self, probe: App) -> None:
        self._probe = probe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._probe(scope, receive, send)


def create_app(gateway: Gateway) -> FastAPI:
    """Every route on this gateway."""
    app = FastAPI(
        title="Galley",
        description=_ABOUT,
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(problems.Unexpected), Middleware(BodyLimit)],
    )
    app.state.gateway = gateway
    problems.install(app)
    for module in (posts, control, events, files, pages):
        app.include_router(module.router)
    probes = health(gateway.live, gateway.ready)
    app.router.routes += [Route("/livez", _Probe(probes)), Route("/readyz", _Probe(probes))]
    return app
