"""How what decides asks for what it can't do itself.

A request is a generator, a *machine*: it yields what it wants done and is sent what came of it. It opens no socket,
waits for nothing and knows no thread, so that the client with threads and the one with asyncio run the same one, and
tests run it with a clock and a network of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from quorate._endpoint import Endpoint

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """What goes over the wire, but for the endpoint and the bearer token."""

    method: str
    target: str
    """Path and query, percent-encoded already."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, of any status."""

    endpoint: Endpoint
    status: int
    headers: Mapping[str, str]
    """Their names are in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """No whole answer."""

    endpoint: Endpoint
    cause: str
    is_sent: bool
    """Whether any byte may have left; `False`: it certainly had no effect."""
    status: int | None = None
    """The status, if the answer broke off behind it."""


Reply: TypeAlias = Answer | Failure


@dataclass(frozen=True, slots=True)
class Late:
    """An endpoint of a race that had not answered when the other one settled it."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Send:
    """One attempt: it is answered with one reply, within so many seconds."""

    endpoint: Endpoint
    request: Request
    timeout: float


@dataclass(frozen=True, slots=True)
class Race:
    """Two attempts, the second if the first is not answered within `after` seconds.

    It is answered with one reply of each that was asked: `Late`, or in the order in which they came. Once one settles
    it, the other one is not waited for any more.
    """

    first: Send
    after: float
    second: Send
    settles: Callable[[Reply], bool]


@dataclass(frozen=True, slots=True)
class Sleep:
    """A pause of so many seconds."""

    seconds: float


Effect: TypeAlias = Send | Race | Sleep
Came: TypeAlias = list[Reply | Late]
Machine: TypeAlias = Generator[Effect, Came, T]
"""Every effect is answered with the replies that came of it; a pause with none."""
