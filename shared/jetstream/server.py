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

CORE: Final = "APP"
"""The account that holds the streams."""

_MANY: Final = ("$JS.API.DIRECT.GET.", "$JS.API.CONSUMER.MSG.NEXT.")
"""What is answered by more than one message."""


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
    apart = [rights for rights in RIGHTS.values() if rights.apart]
    trusted = [rights for rights in RIGHTS.values() if not rights.apart]
    told = [_core(trusted, apart, passwords), *(_apart(each, passwords) for each in apart)]
    system = ""
    if word := passwords.get(SYSTEM):
        system = f"{{ user: {_quoted(SYSTEM)}, password: {_quoted(word)} }}"
    return "\n".join(
        ["accounts {", *told, f"  SYS {{ users: [{system}] }}", "}", "system_account: SYS"]
    )


def _core(trusted: Sequence[Rights], apart: Sequence[Rights], passwords: Mapping[str, str]) -> str:
    """Where the streams are, and what of it the accounts beside it may reach."""
    users = ",\n".join(_user(rights, passwords[rights.user]) for rights in trusted)
    subjects = dict.fromkeys(subject for rights in apart for subject in rights.publishes)
    exports = ",\n".join(_export(subject, apart) for subject in subjects)
    return (
        f"  {CORE} {{\n    jetstream: enabled\n    users: [\n{users}\n    ]\n"
        f"    exports: [\n{exports}\n    ]\n  }}"
    )


def _export(subject: str, apart: Sequence[Rights]) -> str:
    names = [_account(rights) for rights in apart if subject in rights.publishes]
    many = ", response: stream, response_threshold: 10s" if subject.startswith(_MANY) else ""
    return f"      {{ service: {_quoted(subject)}, accounts: {_listed(names)}{many} }}"


def _apart(rights: Rights, passwords: Mapping[str, str]) -> str:
    """An account that reaches its own rights and nothing else, not even by an answer's address."""
    imports = ",\n".join(
        f"      {{ service: {{ account: {CORE}, subject: {_quoted(subject)} }} }}"
        for subject in rights.publishes
    )
    return (
        f"  {_account(rights)} {{\n    users: [\n{_user(rights, passwords[rights.user])}\n    ]\n"
        f"    imports: [\n{imports}\n    ]\n  }}"
    )


def _account(rights: Rights) -> str:
    return rights.user.upper()


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
