"""When a second node is asked because the first one is slow, and how often at most.

With `p95` that is after the time within which 95 of the last 100 reads or so were answered, so that about one read in
twenty is hedged. Whatever the delay, hedges are at most one in five reads: where everything is slow, asking twice makes
it slower.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Literal, TypeAlias

Hedge: TypeAlias = float | Literal["p95"] | None
"""After how many seconds a read is hedged; `None`: never."""

SAMPLES_MIN, SAMPLES_MAX = 32, 128
RENEWED_EVERY = 16
"""After so many reads the 95th percentile is found anew."""

DELAY_SECONDS_MIN = 0.001
HEDGES_PER_READ, HEDGES_MAX = 0.2, 10.0


class Hedging:
    """The latencies of the reads of late, and what is left of the budget."""

    def __init__(self, hedge: Hedge) -> None:
        if isinstance(hedge, float | int) and hedge <= 0:
            raise ValueError("a hedge comes after a time above zero")
        self._hedge = hedge
        self._samples: deque[float] = deque(maxlen=SAMPLES_MAX)
        self._delay: float | None = None if isinstance(hedge, str) else hedge
        self._since = 0
        self._budget = HEDGES_MAX
        self._lock = threading.Lock()

    def delay(self) -> float | None:
        """Return after how many seconds the read that begins now is hedged, if it is."""
        if self._hedge is None:
            return None
        with self._lock:
            self._budget = min(HEDGES_MAX, self._budget + HEDGES_PER_READ)
            return self._delay if self._budget >= 1 else None

    def hedged(self) -> None:
        """Note that a second node was asked."""
        with self._lock:
            self._budget -= 1

    def took(self, seconds: float) -> None:
        """Note how long a read took."""
        if self._hedge != "p95":
            return
        with self._lock:
            self._samples.append(seconds)
            self._since += 1
            if len(self._samples) >= SAMPLES_MIN and (self._delay is None or self._since >= RENEWED_EVERY):
                ordered = sorted(self._samples)
                self._delay = max(DELAY_SECONDS_MIN, ordered[len(ordered) * 95 // 100])
                self._since = 0
