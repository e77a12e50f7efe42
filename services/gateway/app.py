"""The gateway as an ASGI application, made of what it is handed and of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware import Middleware
from starlette.routing import Route

from services.gateway import pages
from services.gateway.access import keys_api, sessions_api
from services.gateway.access.admission import Admission
from services.gateway.access.border import Border
from services.gateway.budgets import budgets_api
from services.gateway.control import control, redo
from services.gateway.documents import model_choices, profiles, rules, settings_api
from services.gateway.files import files
from services.gateway.insight import analytics, costs, logs
from services.gateway.posts import batch, changing, deletion, duplicates, posts
from services.gateway.queue import dead_letters, queue, worker_status
from services.gateway.streams import events
from services.gateway.web import openapi, problems
from services.gateway.web.body_limit import BodyLimit
from shared.runtime.health import health

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from services.gateway.context import Gateway
    from shared.runtime.health import App

_ABOUT = "A topic becomes an illustrated article; every change is an event, every event a stream."


ROUTERS = (
    batch.router,
    posts.router,
    changing.router,
    deletion.router,
    duplicates.router,
    control.router,
    redo.router,
    events.router,
    files.router,
    pages.router,
    profiles.router,
    rules.router,
    settings_api.router,
    keys_api.router,
    sessions_api.router,
    queue.router,
    dead_letters.router,
    worker_status.router,
    logs.router,
    costs.router,
    budgets_api.router,
    analytics.router,
)
"""Every route there is; of two that match, the first one answers."""


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
        middleware=[
            Middleware(Border, hosts=gateway.hosts),
            Middleware(problems.Unexpected),
            Middleware(
                Admission,
                keyring=gateway.keyring,
                limits=gateway.limits,
                patience_s=gateway.patience_s,
            ),
            Middleware(BodyLimit, allowances=[redo.UPLOAD, redo.DESCRIPTION, batch.BODY]),
        ],
    )
    app.state.gateway = gateway
    problems.install(app)
    openapi.document(app, model_choices.documented(gateway.choices))
    for router in ROUTERS:
        app.include_router(router)
    probes = health(gateway.live, gateway.ready)
    app.router.routes += [Route("/livez", _Probe(probes)), Route("/readyz", _Probe(probes))]
    return app
