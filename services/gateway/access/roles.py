"""One table: the least role that every route asks for.

A test walks every route of the application and demands its line here.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from starlette.routing import compile_path

from shared.domain.keys import Role

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

_POST: Final = "/api/posts/{post_id}"
_DEAD: Final = "/api/queue/dead-letter"

LEAST: Final[Mapping[Role, tuple[str, ...]]] = {
    Role.VIEWER: (
        "GET /",
        "GET /media/{post_id}/{filename}",
        "GET /api/posts",
        f"GET {_POST}",
        f"GET {_POST}/logs",
        f"GET {_POST}/calls",
        f"GET {_POST}/analytics",
        f"GET {_POST}/export/markdown",
        f"GET {_POST}/export/html",
        f"GET {_POST}/export/wordpress",
        f"GET {_POST}/export/all",
        "GET /api/events",
        "GET /api/events/{post_id}",
        "GET /api/profiles",
        "GET /api/profiles/{profile_id}",
        "GET /api/profiles/{profile_id}/history",
        "GET /api/rules",
        "GET /api/rules/{stage}",
        "GET /api/rules/{stage}/history",
        "GET /api/rules/{stage}/versions/{version}",
        "GET /api/rules/{stage}/diff",
        "GET /api/settings",
        "GET /api/settings/history",
        "GET /api/settings/stage-models",
        "GET /api/queue",
        "GET /api/queue/review",
        "GET /api/queue/worker-status",
        f"GET {_DEAD}",
        "GET /api/logs",
        "GET /api/budgets",
        "GET /api/costs",
        "GET /api/session",
        "POST /api/session",
        "POST /api/session/links",
        "DELETE /api/session",
    ),
    Role.REVIEWER: (f"POST {_POST}/approve", f"POST {_POST}/reject"),
    Role.EDITOR: (
        "POST /api/posts",
        "POST /api/posts/batch",
        f"PATCH {_POST}",
        f"DELETE {_POST}",
        f"POST {_POST}/duplicate",
        f"POST {_POST}/run",
        f"POST {_POST}/run-all",
        f"POST {_POST}/rerun/{{stage}}",
        f"POST {_POST}/restart",
        f"POST {_POST}/pause",
        f"POST {_POST}/resume",
        f"POST {_POST}/cancel",
        f"PUT {_POST}/images/{{number}}",
        f"PATCH {_POST}/images/{{number}}",
        "POST /api/profiles",
        "PATCH /api/profiles/{profile_id}",
        "DELETE /api/profiles/{profile_id}",
        f"POST {_DEAD}/{{post_id}}/retry",
        f"POST {_DEAD}/{{post_id}}/edit-and-retry",
        f"POST {_DEAD}/{{post_id}}/discard",
    ),
    Role.ADMIN: (
        "PATCH /api/settings",
        "PUT /api/rules/{stage}",
        "POST /api/rules/{stage}/restore",
        "POST /api/queue/pause-all",
        "POST /api/queue/resume-all",
        f"DELETE {_DEAD}",
        "GET /api/keys",
        "POST /api/keys",
        "DELETE /api/keys/{key_id}",
    ),
}

OPEN: Final = frozenset({"/livez", "/readyz", "/health", "/style.css", "/openapi.json"})
"""What asks for no key, because it tells nothing of anybody."""
ENTRANCE: Final = "/enter/"
"""Begins the addresses of links, which are keys of a kind themselves."""
WELCOME: Final = "/"
"""Tells who comes without a key where to find one."""


def _compiled() -> dict[str, list[tuple[re.Pattern[str], Role]]]:
    found = defaultdict[str, list[tuple["re.Pattern[str]", Role]]](list)
    for role, routes in LEAST.items():
        for method, path in map(str.split, routes):
            found[method].append((compile_path(path)[0], role))
    return dict(found)


_ROUTES: Final = _compiled()


def least(method: str, path: str) -> Role:
    """The role this request needs; of several routes that match, the highest."""
    roles = [role for pattern, role in _ROUTES.get(method, ()) if pattern.match(path)]
    # What is no route is answered by the router, which does not tell anybody anything.
    return max(roles, key=list(Role).index, default=Role.VIEWER)
