"""A network and a clock for the machines of a client: nothing is sent, nothing is waited for, and all is seen."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from quorate._endpoint import Endpoint
from quorate._engine import Engine
from quorate._hedge import Hedge
from quorate._ids import Lanes
from quorate._machine import Answer, Came, Failure, Late, Machine, Race, Reply, Request, Send, Sleep
from quorate._operations import Operations

T = TypeVar("T")

WRITTEN = {
    "version": "1-1.0.0",
    "etag": '"1-1.0.0"',
    "acks": 2,
    "required": 2,
    "n": 3,
    "consistency": "linearizable",
    "replayed": False,
}


@dataclass(frozen=True)
class Said:
    """What a node says to a request, and after how many seconds; a status of 0: nothing, and why."""

    status: int = 0
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.001
    cause: str = ""
    is_sent: bool = True


def said(status: int, document: Any, after: float = 0.001, **headers: str) -> Said:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Said(status, document if isinstance(document, bytes) else json.dumps(document).encode(), named, after)


def written(**headers: str) -> Said:
    return said(200, WRITTEN, 0.001, **headers)


def problem(status: int, code: str, outcome: str | None = None, **headers: str) -> Said:
    body = {"code": code, "status": status, "title": "t", "detail": "d"} | ({"outcome": outcome} if outcome else {})
    return said(status, body, 0.001, **headers)


REFUSED = Said(cause="connection refused", is_sent=False)
BROKEN = Said(cause="the connection broke")
SILENT = Said(cause="nothing came in time", after=float("inf"))

Node = Callable[[Request], Said]


@dataclass(frozen=True)
class Seen:
    """A request that a node was sent."""

    node: str
    request: Request
    timeout: float

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.request.target).query))

    @property
    def path(self) -> str:
        return urlsplit(self.request.target).path

    @property
    def id(self) -> str | None:
        return dict(self.request.headers).get("idempotency-key")


class Network:
    """Nodes `a`, `b`, .. that do as they are told: always the same, or one thing after the other."""

    def __init__(self, **nodes: Said | list[Said] | Node) -> None:
        self.nodes: dict[str, Said | list[Said] | Node] = dict(nodes)
        self.now = 100.0
        self.seen: list[Seen] = []
        self.pauses: list[float] = []

    def operations(
        self, *, hedge: Hedge = None, asks_owners: bool = False, timeout: float = 5.0, given: int = 3, seed: int = 3
    ) -> Operations:
        endpoints = [Endpoint("http", name, 7400) for name in list(self.nodes)[:given]]
        engine = Engine(
            endpoints,
            hedge=hedge,
            asks_owners=asks_owners,
            may_name=lambda _: True,
            clock=lambda: self.now,
            rng=random.Random(seed),
        )
        return Operations(engine, Lanes(), timeout, 30.0)

    def run(self, machine: Machine[T]) -> T:
        replies: Came | None = None
        try:
            while True:
                effect = next(machine) if replies is None else machine.send(replies)
                match effect:
                    case Send():
                        reply, after = self._say(effect)
                        self.now += after
                        replies = [reply]
                    case Race():
                        replies = self._race(effect)
                    case Sleep(seconds):
                        self.now += seconds
                        self.pauses.append(seconds)
                        replies = []
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _race(self, race: Race) -> Came:
        first, first_after = self._say(race.first)
        if first_after <= race.after:
            self.now += first_after
            return [first]
        second, second_after = self._say(race.second)
        came = sorted([(first_after, first), (race.after + second_after, second)], key=lambda one: one[0])
        if race.settles(came[0][1]):
            self.now += came[0][0]
            return [Late(came[1][1].endpoint), came[0][1]]
        self.now += came[1][0]
        return [reply for _, reply in came]

    def _say(self, send: Send) -> tuple[Reply, float]:
        self.seen.append(Seen(send.endpoint.host, send.request, send.timeout))
        node = self.nodes[send.endpoint.host]
        if isinstance(node, list):
            answer = node.pop(0) if len(node) > 1 else node[0]
        else:
            answer = node(send.request) if callable(node) else node
        if answer.status == 0 or answer.after > send.timeout:
            cause = answer.cause or "nothing came in time"
            return Failure(send.endpoint, cause, answer.is_sent), min(answer.after, send.timeout)
        return Answer(send.endpoint, answer.status, answer.headers, answer.body), answer.after

    def asked(self) -> list[str]:
        """The nodes that were asked, in order."""
        return [seen.node for seen in self.seen]
