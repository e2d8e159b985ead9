"""Where a webhook may go: HTTPS to public addresses, or this machine itself; else whoever subscribes could reach
what only the service can reach (server-side request forgery, OWASP API7:2023).

The name is looked up at each delivery, every address that it has is checked, and the connection goes to one of those,
so that a name that changes in between leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from admin.errors import RefusedError
from admin.settings import Settings

ADDRESS_LENGTH_MAX = 400
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
PORTS = {"https": 443, "http": 80}
Resolve = Callable[[str, int], Sequence[str]]
"""IP addresses of a name."""
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""An IPv4 address in an IPv6 one (RFC 6052)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, said in so many words."""
        return self.host in LOOPBACK_NAMES


def read_address(address: str, settings: Settings) -> Target:
    """An address as far as its text tells; `RefusedError` says what is wrong."""
    if len(address) > ADDRESS_LENGTH_MAX or not address.isascii() or not address.isprintable() or " " in address:
        raise RefusedError("An address has at most {most} plain characters.", most=ADDRESS_LENGTH_MAX)
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise RefusedError("This is no address; it looks like https://example.com/path.") from None
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme not in PORTS or not host or parts.username is not None or parts.fragment:
        raise RefusedError("This is no address; it looks like https://example.com/path.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(parts.scheme, host, port or PORTS[parts.scheme], path)
    if target.scheme != "https" and not target.is_loopback and not settings.is_private_webhook_allowed:
        raise RefusedError("An address begins with https://, for what is sent is nobody else's business.")
    if target.is_loopback and target.port in (settings.listen_port, settings.switch_port):
        raise RefusedError("This address is the service itself or its switch.")
    try:
        literal = ipaddress.ip_address(host)
    except ValueError:
        return target
    if not is_allowed(literal, target, settings):
        raise RefusedError("This address is in a private network; the setting is_private_webhook_allowed opens those.")
    return target


def addresses_of(target: Target, settings: Settings, resolve: Resolve) -> list[str]:
    """IP addresses to connect to; `RefusedError` when one of them is not allowed, `OSError` when there is none."""
    found = list(resolve(target.host, target.port))
    if not found:
        raise OSError(f"{target.host}: expected an address, got none")
    if not all(is_allowed(ipaddress.ip_address(one.partition("%")[0]), target, settings) for one in found):
        raise RefusedError("This address is in a private network; the setting is_private_webhook_allowed opens those.")
    return found


def is_allowed(address: _Address, target: Target, settings: Settings) -> bool:
    """Whether a webhook may connect there."""
    inner = _inner(address)
    if inner is not None:
        return is_allowed(inner, target, settings)
    if address.is_loopback:
        return target.is_loopback
    if address.is_multicast or address.is_unspecified or address.is_link_local or address.is_reserved:
        return False
    return address.is_global or settings.is_private_webhook_allowed


def resolve_name(host: str, port: int) -> list[str]:
    """What the system's resolver knows."""
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _inner(address: _Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 one leads to."""
    if not isinstance(address, ipaddress.IPv6Address):
        return None
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
