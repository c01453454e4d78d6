"""The loop that finds a node to answer a request; the machine that both clients run.

::

    call ──> pick an endpoint ──> attempt ──> judge ──┬── the answer ──────────────> the caller
                 ^   ^                                ├── the end ─────────────────> the caller, as an error
                 │   └───────────── elsewhere ────────┤
                 └── pause, next round ── all tried ──┘   until the deadline
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence

from quorate._call import Call, Tries
from quorate._endpoint import Endpoint, Endpoints
from quorate._errors import QuorateError
from quorate._hedge import Hedge, Hedging
from quorate._judge import document, judge
from quorate._machine import Answer, Late, Machine, Race, Reply, Send, Sleep
from quorate._outcome import Effect
from quorate._results import Json, epoch_of
from quorate._ring import Map, Maps, addresses

logger = logging.getLogger("quorate")

MAP_SECONDS_MAX = 1.0
"""A request waits no longer for a map, and for no more than a quarter of its time."""


class Engine:
    """What all requests of one client share: endpoints and how they fare, maps, latencies."""

    def __init__(
        self,
        given: Sequence[Endpoint],
        *,
        hedge: Hedge,
        asks_owners: bool,
        may_name: Callable[[Endpoint], bool],
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.clock = clock
        self.rng = rng or random.Random()
        self._endpoints = Endpoints(given, self.rng)
        self._scheme = given[0].scheme
        self._maps = Maps(clock)
        self._asks_owners = asks_owners
        self._may_name = may_name
        self._hedging = Hedging(hedge)

    def perform(self, call: Call) -> Machine[Answer]:
        """Return the answer, or raise a `QuorateError` that says what happened to the data."""
        tries = Tries(call, self.clock(), self.rng)
        while True:
            owners = yield from self._owners(call, tries)
            now = self.clock()
            endpoint = self._endpoints.pick(owners, tries.tried, now) if tries.left(now) > 0 else None
            if endpoint is None:
                pause = tries.pause(now)
                if pause is None:
                    raise tries.error()
                yield Sleep(pause)
                tries.begin_round()
                continue
            replies = yield from self._attempt(call, tries, endpoint, owners)
            for reply in replies:
                answer = self._taken(call, tries, reply)
                if answer is not None:
                    return answer

    def _attempt(
        self, call: Call, tries: Tries, endpoint: Endpoint, owners: Sequence[Endpoint]
    ) -> Machine[list[Reply]]:
        begun = self.clock()
        tries.tried.add(endpoint)
        second = self._endpoints.other(owners, tries.tried, begun)
        share = tries.share(begun, has_other=second is not None)
        first = Send(endpoint, call.request(share, tries.is_retry), share)
        delay = self._hedging.delay() if call.is_hedged else None
        if delay is None or delay >= share or second is None or self._endpoints.is_aside(second, begun):
            came = yield first
        else:
            rest = Send(second, call.request(share - delay, tries.is_retry), share - delay)
            came = yield Race(first, delay, rest, _settles)
            if any(reply.endpoint == second for reply in came):
                self._hedging.hedged()
                tries.tried.add(second)
        replies = [reply for reply in came if not isinstance(reply, Late)]
        if call.is_hedged and _settles(replies[-1]):
            self._hedging.took(self.clock() - begun)
        if any(isinstance(reply, Late) and reply.endpoint == endpoint for reply in came):
            self._endpoints.lost_race(endpoint, self.clock())
        return replies

    def _taken(self, call: Call, tries: Tries, reply: Reply) -> Answer | None:
        """Return the reply if it is the answer; raise what ends the call; otherwise note what went wrong."""
        if isinstance(reply, Answer):
            self._maps.note(epoch_of(reply.headers))
        judgement = judge(reply, call.effect, tries.is_retry, call.idempotency_key)
        if judgement is not None and judgement.is_aside:
            self._endpoints.failed(reply.endpoint, self.clock(), judgement.error.meta.retry_after or 0.0)
        else:
            self._endpoints.answered(reply.endpoint)
        if judgement is None:
            assert isinstance(reply, Answer)  # noqa: S101  nothing else is judged so
            return reply
        tries.failed(reply.endpoint, judgement)
        logger.debug("%s at %s was in vain: %s", call.method, reply.endpoint, type(judgement.error).__name__)
        if judgement.is_final:
            raise tries.final(judgement.error)
        return None

    def _owners(self, call: Call, tries: Tries) -> Machine[Sequence[Endpoint]]:
        """Return the owners of the call's key, after a new map was made if it is time for one."""
        if call.place is None or not self._asks_owners:
            return ()
        table, key = call.place
        if self._maps.begin(table):
            try:
                yield from self._make_map(table, min(MAP_SECONDS_MAX, tries.left(self.clock()) / 4))
            except QuorateError as error:
                logger.debug("there is no map of table %s: %s", table, error)
                self._maps.fail(table, is_gone=error.code == "no-such-table")
            except GeneratorExit:  # the caller's task was cancelled
                self._maps.fail(table, is_gone=False)
                raise
        return self._maps.owners(table, key)

    def _make_map(self, table: str, seconds: float) -> Machine[None]:
        begun = self.clock()
        ring = yield from self._ask("/v1/cluster/ring", [("table", table)], seconds)
        try:
            made, members = Map.of(ring), ring["nodes"]
            named, ids = addresses(members, self._scheme), [str(member["node"]) for member in members]
        except (KeyError, TypeError, ValueError) as error:
            raise QuorateError(f"the ring can't be read: {error!r}") from error
        everywhere = self._maps.learn(ids, named)
        if not self._maps.knows(made):
            # A node of an older version does not say in the ring where members are.
            nodes = yield from self._ask("/v1/cluster/nodes", [], max(0.001, seconds - (self.clock() - begun)))
            everywhere = self._maps.learn(ids, addresses(nodes.get("nodes", []), self._scheme))
        self._endpoints.name([endpoint for endpoint in everywhere if self._may_name(endpoint)])
        self._maps.end(table, made, self.clock() - begun)

    def _ask(self, path: str, query: list[tuple[str, str]], seconds: float) -> Machine[Json]:
        """Ask one node, once: whether there is a map is not worth more."""
        call = Call("GET", path, Effect.READ, seconds, query=query, tells_timeout=False)
        tries = Tries(call, self.clock(), self.rng)
        endpoint = self._endpoints.pick((), (), self.clock())
        if endpoint is None:
            raise tries.error()
        replies = yield Send(endpoint, call.request(seconds, False), seconds)
        answer = None if isinstance(replies[0], Late) else self._taken(call, tries, replies[0])
        if answer is None:
            raise tries.error()
        read = document(answer)
        if not isinstance(read, dict):
            raise QuorateError(f"{endpoint} says nothing that is JSON")
        return read


def _settles(reply: Reply) -> bool:
    """Return whether no other reply to a read can be better than this one."""
    judgement = judge(reply, Effect.READ, False, None)
    return judgement is None or judgement.is_final
