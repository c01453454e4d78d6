"""The numbers of a client's writes, by which a retry is told from another write.

A node refuses a number below one that it has seen of the same client at the same key. So a client that writes from
many threads can't be *one* client to the nodes: a write that is overtaken would be refused. Here each write in flight
has a *lane*, a client id of its own: within a lane one write ends before the next begins. A key remembers its last 16
clients, so lanes are used again, the first one first.
"""

from __future__ import annotations

import heapq
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Lane:
    """A client id, and how far its numbers have come."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._sequence = 0

    def next(self) -> str:
        """Return the operation id of the next write."""
        self._sequence += 1
        return f"{self._client}:{self._sequence}"


class Lanes:
    """The lanes of one client; drawn at random, so that no two clients have the same."""

    def __init__(self) -> None:
        self._client = f"py-{secrets.token_hex(6)}"
        self._lanes: list[Lane] = []
        self._free: list[int] = []
        self._lock = threading.Lock()

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """Give a lane to a write, or to a batch, for as long as it is in flight."""
        with self._lock:
            if self._free:
                number = heapq.heappop(self._free)
            else:
                number = len(self._lanes)
                self._lanes.append(Lane(f"{self._client}.{number}"))
            lane = self._lanes[number]
        try:
            yield lane
        finally:
            with self._lock:
                heapq.heappush(self._free, number)


class Process:
    """The process in which a client was made: after a fork both would write to the same connections."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self) -> None:
        """Refuse to go on in another process."""
        if os.getpid() != self._pid:
            raise RuntimeError(
                "this client was made before a fork, and its connections belong to the parent: make another"
            )
