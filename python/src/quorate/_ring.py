"""Who owns a key, as the catalog had it at one epoch.

Any node answers any request; an owner of the key does so with one hop less. So a stale map costs a hop and no promise,
and a client that can't make one asks the nodes in turn.
"""

from __future__ import annotations

import bisect
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from quorate._endpoint import Endpoint
from quorate._keys import key_of

try:
    import xxhash
except ImportError:  # the extra `owners` is not installed
    xxhash = None  # type: ignore[assignment]

TOKEN_SEED = 0x5175_6F72_6174_6531
"""The seed of every token. It never changes: tokens are in every record key on every disk."""

PAUSE_SECONDS, PAUSE_SECONDS_MAX = 1.0, 30.0
"""How long the cluster is not asked again for a map; longer after failures, and where a map is costly."""

COST_MAX = 0.05
"""The part of the time that making maps may take."""

TABLES_MAX = 1024
"""Most tables of which a client has a map; of others any node is asked."""


def token(key: bytes) -> int | None:
    """Return the position of a key on the ring: 64-bit xxh3; `None`: the package xxhash is not here."""
    return xxhash.xxh3_64_intdigest(key, TOKEN_SEED) if xxhash is not None else None


@dataclass(frozen=True, slots=True)
class Map:
    """The shards of one table at one epoch."""

    epoch: int
    starts: list[Any]
    """Where each shard begins, in ascending order: tokens, as numbers, or of a range table keys."""
    owners: list[tuple[str, ...]]
    """The ids of each shard's owners; while it moves, those that are in both sets first."""

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Map:
        """Read the answer of `/v1/cluster/ring` about one table."""
        shards = []
        for shard in document["shards"]:
            start, now, following = shard["start"], shard["owners"], shard.get("next", [])
            both = [node for node in now if node in following]
            owners = tuple(dict.fromkeys([*both, *now, *following])) if following else tuple(now)
            shards.append((int(start, 16) if isinstance(start, str) else key_of(start), owners))
        shards.sort(key=lambda shard: shard[0])
        return cls(int(document["epoch"]), [start for start, _ in shards], [owners for _, owners in shards])

    def owners_of(self, key: bytes) -> tuple[str, ...]:
        """Return the ids of the owners; none: the map does not say."""
        if not self.starts:
            return ()
        place = token(key) if isinstance(self.starts[0], int) else key
        if place is None:
            return ()
        at = bisect.bisect_right(self.starts, place) - 1
        return self.owners[at] if at >= 0 else ()


def addresses(nodes: list[Mapping[str, Any]], scheme: str) -> dict[str, Endpoint]:
    """Return where clients reach each member of a document that says so, by its id."""
    found = {}
    for node in nodes:
        address = node.get("address")
        if address:
            try:
                found[str(node.get("node") or node["id"])] = Endpoint.parse(address, scheme)
            except ValueError:
                continue  # a member that names no address of this form is reached through the others
    return found


class Maps:
    """The maps of a client's tables, each asked for once in an epoch.

    An answer of a later epoch than a map's makes that stale. The next request for its table asks for another, at most
    once a second, and none waits for one that is already being made.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._maps: dict[str, Map] = {}
        self._addresses: dict[str, Endpoint] = {}
        self._not_before: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._epoch = 0

    def note(self, epoch: int | None) -> None:
        """Take note of the epoch in an answer."""
        if epoch is not None and epoch > self._epoch:
            with self._lock:
                self._epoch = max(self._epoch, epoch)

    def owners(self, table: str, key: bytes) -> list[Endpoint]:
        """Return where the owners of a key are reached, as far as that is known."""
        with self._lock:
            known = self._maps.get(table)
            if known is None:
                return []
            return [at for at in map(self._addresses.get, known.owners_of(key)) if at is not None]

    def begin(self, table: str) -> bool:
        """Return whether a map of this table shall be made now, by the caller alone; then it has to end or fail."""
        now = self._clock()
        with self._lock:
            if len(self._not_before) >= TABLES_MAX and table not in self._not_before:
                return False
            known = self._maps.get(table)
            is_stale = known is None or known.epoch < self._epoch
            if not is_stale or now < self._not_before.get(table, 0.0):
                return False
            # Until the caller is done; should it never be, others try again.
            self._not_before[table] = now + PAUSE_SECONDS_MAX
            return True

    def knows(self, made: Map) -> bool:
        """Return whether it is known where every owner of a map is."""
        with self._lock:
            return all(node in self._addresses for owners in made.owners for node in owners)

    def learn(self, members: Collection[str], named: Mapping[str, Endpoint]) -> list[Endpoint]:
        """Take over who the members are, and where, as far as that is said; return where all of them are."""
        with self._lock:
            known = {**self._addresses, **named}
            self._addresses = {node: known[node] for node in members if node in known}
            return list(self._addresses.values())

    def end(self, table: str, made: Map, seconds: float) -> None:
        """Take over a map that took so many seconds to make."""
        with self._lock:
            self._maps[table] = made
            self._failures.pop(table, None)
            self._not_before[table] = self._clock() + max(PAUSE_SECONDS, seconds / COST_MAX)

    def fail(self, table: str, is_gone: bool) -> None:
        """Go on without a new map, and ask for one after a longer while; `is_gone`: there is no such table."""
        with self._lock:
            if is_gone:
                self._maps.pop(table, None)
            failures = self._failures.get(table, 0)
            self._failures[table] = failures + 1
            self._not_before[table] = self._clock() + min(PAUSE_SECONDS_MAX, PAUSE_SECONDS * 2**failures)
