"""Where a node answers clients, and which of them to ask next.

An endpoint that failed is *set aside* for a while: others are asked before it. It is never given up, since it may be
the only one. The while grows from a quarter of a second to ten, by how often it failed in a row; then one request
tries it, and the others follow once that one was answered.
"""

from __future__ import annotations

import ipaddress
import random
import re
import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

DEFAULT_PORT = 7400
"""The port of clients when an endpoint names none."""

ASIDE_SECONDS_MIN, ASIDE_SECONDS_MAX = 0.25, 10.0

TRIAL_SECONDS = 2.0
"""How long others stay away from an endpoint that one request tries again."""

LOST_RACES_MAX = 3
"""An endpoint that lost so many races in a row, and answered nothing meanwhile, is set aside."""


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """The HTTP address of one node."""

    scheme: str
    host: str
    """A name, an IPv4 address, or an IPv6 address in brackets."""
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, scheme: str = "http") -> Endpoint:
        """Read `host`, `host:port`, `[v6]:port`, each also as a URL without a path; `scheme`: if it names none."""
        try:
            parts = urlsplit(text if "://" in text else f"{scheme}://{text}")
            host, port = parts.hostname, parts.port
            if "[" in parts.netloc:
                host = f"[{ipaddress.IPv6Address(host or '')}]"
        except ValueError as error:
            raise ValueError(f"{text!r} is not an endpoint: {error}") from None
        is_bare = not (parts.username or parts.password or parts.query or parts.fragment or parts.path.strip("/"))
        if parts.scheme not in ("http", "https") or not host or not is_bare or port == 0:
            raise ValueError(f"{text!r} is not an endpoint: write host:port, for example 127.0.0.1:{DEFAULT_PORT}")
        if not re.fullmatch(r"[A-Za-z0-9._-]+|\[[0-9a-f:.]+\]", host):
            raise ValueError(f"{text!r} is not an endpoint: a host is a name or an address")
        return cls(parts.scheme, host, port or DEFAULT_PORT)

    @property
    def is_loopback(self) -> bool:
        """Whether what is sent there stays on this machine."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def keeps_secrets(self) -> bool:
        """Whether what is sent there can't be read on its way."""
        return self.scheme == "https" or self.is_loopback


@dataclass(slots=True)
class _Health:
    failures: int = 0
    aside_until: float = 0.0
    lost_races: int = 0


class Endpoints:
    """The endpoints of one client: those that it was given, and those that the cluster named."""

    def __init__(self, given: Sequence[Endpoint], rng: random.Random) -> None:
        self._given = tuple(given)
        self._named: tuple[Endpoint, ...] = ()
        self._health: dict[Endpoint, _Health] = {}
        self._turn = rng.randrange(1 << 16)
        self._rng = rng
        self._lock = threading.Lock()

    def name(self, named: Collection[Endpoint]) -> None:
        """Take over what the cluster says of its members now."""
        with self._lock:
            self._named = tuple(sorted(set(named) - set(self._given)))
            known = {*self._given, *self._named}
            self._health = {endpoint: health for endpoint, health in self._health.items() if endpoint in known}

    def pick(self, owners: Sequence[Endpoint], tried: Collection[Endpoint], now: float) -> Endpoint | None:
        """Return the one to ask now; `None`: all were tried.

        One that is set aside comes after the others, and among these an owner first. Equal ones have their turns.
        """
        with self._lock:
            self._turn += 1
            chosen = self._best(owners, tried, now)
            health = self._health.get(chosen) if chosen else None
            if health is not None and health.failures:
                health.aside_until = max(health.aside_until, now + TRIAL_SECONDS)
            return chosen

    def other(self, owners: Sequence[Endpoint], tried: Collection[Endpoint], now: float) -> Endpoint | None:
        """Return the one that would be asked next."""
        with self._lock:
            return self._best(owners, tried, now)

    def _best(self, owners: Sequence[Endpoint], tried: Collection[Endpoint], now: float) -> Endpoint | None:
        ordered = [*self._rotated(owners), *self._rotated(self._given), *self._rotated(self._named)]
        left = [endpoint for endpoint in ordered if endpoint not in tried]
        # The first of equal ones: owners stay before the others.
        return min(left, key=lambda endpoint: max(0.0, self._aside_until(endpoint) - now), default=None)

    def is_aside(self, endpoint: Endpoint, now: float) -> bool:
        """Whether others are asked before it."""
        with self._lock:
            return self._aside_until(endpoint) > now

    def answered(self, endpoint: Endpoint) -> None:
        """Note that it does its work."""
        with self._lock:
            self._health.pop(endpoint, None)

    def failed(self, endpoint: Endpoint, now: float, at_least: float = 0.0) -> None:
        """Set it aside: it did not answer, or said that it can't; `at_least`: for so many seconds."""
        with self._lock:
            health = self._health.setdefault(endpoint, _Health())
            seconds = min(ASIDE_SECONDS_MAX, ASIDE_SECONDS_MIN * 2 ** min(health.failures, 10))
            health.failures += 1
            health.aside_until = now + max(at_least, seconds * self._rng.uniform(0.75, 1.25))

    def lost_race(self, endpoint: Endpoint, now: float) -> None:
        """Note that another one answered before it did; one that does so all the time is set aside."""
        with self._lock:
            health = self._health.setdefault(endpoint, _Health())
            health.lost_races += 1
            is_slow = health.lost_races >= LOST_RACES_MAX
        if is_slow:
            self.failed(endpoint, now)

    def _aside_until(self, endpoint: Endpoint) -> float:
        health = self._health.get(endpoint)
        return health.aside_until if health else 0.0

    def _rotated(self, endpoints: Sequence[Endpoint]) -> list[Endpoint]:
        at = self._turn % len(endpoints) if endpoints else 0
        return [*endpoints[at:], *endpoints[:at]]
