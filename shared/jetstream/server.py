"""The configuration of a nats-server for Galley: its users, their rights, and every write synced.

For the server of one machine; a cluster is configured where it is deployed, with the same users.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from shared.errors import Misconfigured
from shared.jetstream.rights import RIGHTS, Rights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SYSTEM: Final = "sys"
"""The user of the server's own account, for monitoring."""


def server_config(
    passwords: Mapping[str, str],
    *,
    port: int | None = None,
    store_dir: Path | None = None,
    host: str = "127.0.0.1",
    sync_interval: str = "always",
    monitor_port: int | None = None,
) -> str:
    """The server's configuration file. Without `port` or `store_dir`, its command line says where.

    `passwords` must name every user of the table of rights, and may name the system user. Raises
    `Misconfigured` when one is missing or empty.
    """
    missing = [user for user in RIGHTS if not passwords.get(user)]
    if missing:
        raise Misconfigured(f"no password for the NATS users {', '.join(missing)}")
    lines = [
        "" if port is None else f"listen: {_quoted(f'{host}:{port}')}",
        "" if monitor_port is None else f"http: {_quoted(f'{host}:{monitor_port}')}",
        "max_payload: 8MB",
        "jetstream {",
        "" if store_dir is None else f"  store_dir: {_quoted(str(store_dir))}",
        f"  sync_interval: {_quoted(sync_interval)}",
        "  limits { batch { max_msgs: 5000 } }",
        "}",
        accounts(passwords),
    ]
    return "\n".join(filter(None, lines)) + "\n"


def accounts(passwords: Mapping[str, str]) -> str:
    """The accounts alone, for a server configured elsewhere."""
    users = ",\n".join(_user(rights, passwords[user]) for user, rights in RIGHTS.items())
    system = ""
    if word := passwords.get(SYSTEM):
        system = f"{{ user: {_quoted(SYSTEM)}, password: {_quoted(word)} }}"
    return (
        f"accounts {{\n  APP {{\n    jetstream: enabled\n    users: [\n{users}\n    ]\n  }}\n"
        f"  SYS {{ users: [{system}] }}\n}}\nsystem_account: SYS"
    )


def _user(rights: Rights, password: str) -> str:
    return (
        f"      {{ user: {_quoted(rights.user)}, password: {_quoted(password)}, permissions: {{\n"
        f"        publish: {{ allow: {_listed(rights.publishes)} }}\n"
        f"        subscribe: {{ allow: {_listed(rights.subscribes)} }}\n"
        f"      }} }}"
    )


def _listed(subjects: Sequence[str]) -> str:
    return f"[{', '.join(map(_quoted, subjects))}]"


def _quoted(text: str) -> str:
    """The server's syntax reads a JSON string as it is meant, escapes included."""
    return json.dumps(text)
