"""Where an address leads, and whether a notice may go there: what is inside the house is refused.

The name is resolved once and the answer is what gets connected to, so a name that answers
otherwise the second time gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Protocol

from services.gateway.notices.undelivered import Undelivered

if TYPE_CHECKING:
    from collections.abc import Sequence

type Address = IPv4Address | IPv6Address

_GLOBAL_6 = ip_network("2000::/3")
_TUNNELS_6 = ip_network("2002::/16")
_PROTOCOLS_4 = ip_network("192.0.0.0/24")
"""Named here because Python before 3.12.4 takes most of it for the internet."""
_METADATA_OF_AZURE = IPv4Address("168.63.129.16")


class Resolve(Protocol):
    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        """Every address of the host. Raises `OSError` when it has none."""
        ...


async def resolve(host: str, port: int) -> list[Address]:
    """As the machine's own resolver says."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [ip_address(str(where[0]).partition("%")[0]) for *_, where in found]


def outside(address: Address) -> bool:
    """The address is one of the public internet: not private, not of this machine or link, not of
    a cloud's metadata, nor a way round to such a one."""
    address = _plain(address)
    if isinstance(address, IPv6Address):
        return address in _GLOBAL_6 and address not in _TUNNELS_6 and address.is_global
    unicast = not (address.is_multicast or address.is_reserved)
    special = address in _PROTOCOLS_4 or address == _METADATA_OF_AZURE
    return address.is_global and unicast and not special


def _plain(address: Address) -> Address:
    """An IPv4 address in the clothes of IPv6 as what it is."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped


def permitted(addresses: Sequence[Address], *, encrypted: bool, private: bool) -> Sequence[Address]:
    """All of them, or `Undelivered`: one address inside the house makes the name unfit.

    Without encryption only this machine itself is spoken to.
    """
    if not addresses:
        raise Undelivered("no_such_host")
    if not private and not all(map(outside, addresses)):
        raise Undelivered("forbidden_address")
    if not encrypted and not all(_plain(each).is_loopback for each in addresses):
        raise Undelivered("forbidden_scheme")
    return addresses
