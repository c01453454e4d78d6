"""One request, and what became of its attempts so far."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from quorate._endpoint import Endpoint
from quorate._errors import Attempt, QuorateError, Unavailable, Unknown
from quorate._judge import Judgement
from quorate._keys import milliseconds, target
from quorate._machine import Request
from quorate._outcome import Effect

BACKOFF_SECONDS_MIN, BACKOFF_SECONDS_MAX = 0.05, 2.0

SERVER_SECONDS_MAX = 60.0
"""The longest time that a node takes for a request."""

GRACE_SECONDS = 0.5
"""How much longer than the server this client waits, at most: the server's own timeout says more than silence does."""

SHARE_SECONDS_MIN = 0.1
"""Less time than that is not divided any more."""

ATTEMPTS_SHOWN = 16
"""The last attempts that an error names."""


@dataclass(slots=True)
class Call:
    """What is asked, of whichever node."""

    method: str
    path: str
    effect: Effect
    timeout: float
    """For the whole of it, all attempts and pauses."""
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | None = None
    place: tuple[str, bytes] | None = None
    """Table and key, where an owner does it best."""
    idempotency_key: str | None = None
    """The operation id, also where it stands in the items of a batch; without one a write is never repeated."""
    is_retry: bool = False
    """Whether already the first attempt is a retry."""
    tells_timeout: bool = True
    """Whether the server takes `timeout`."""
    patience: float | None = None
    """For one endpoint, while there are others: where any node answers from memory."""
    is_hedged: bool = False

    def request(self, share: float, is_retry: bool) -> Request:
        """Return an attempt that may take so many seconds."""
        query = list(self.query)
        if self.tells_timeout:
            left = min(SERVER_SECONDS_MAX, share - min(GRACE_SECONDS, share / 5))
            query.append(("timeout", milliseconds(left)))
        if is_retry:
            query.append(("retry", "true"))
        return Request(self.method, target(self.path, query), tuple(self.headers), self.body)


class Backoff:
    """Pauses that grow from round to round, and are drawn at random, so that clients do not come back all at once."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._round = 0

    def next(self, asked_for: float = 0.0) -> float:
        """Return the seconds of the next pause: at least as many as servers asked for."""
        most = min(BACKOFF_SECONDS_MAX, BACKOFF_SECONDS_MIN * 2**self._round)
        self._round = min(self._round + 1, 16)
        return max(self._rng.uniform(most / 4, most), asked_for * self._rng.uniform(1.0, 1.25))


class Tries:
    """The attempts of one call: a *round* asks each endpoint at most once, and a pause comes before the next round."""

    def __init__(self, call: Call, now: float, rng: random.Random) -> None:
        self._call = call
        self._deadline = now + call.timeout
        self._backoff = Backoff(rng)
        self._worst: QuorateError | None = None
        self._attempts: list[Attempt] = []
        self._waits: list[float] = []
        self._is_hopeless = True
        self.is_retry = call.is_retry
        self.tried: set[Endpoint] = set()

    def left(self, now: float) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - now

    def share(self, now: float, has_other: bool) -> float:
        """Return how long the next attempt may take: half of what is left, so that silence leaves time for another.

        A write that can't be repeated has one attempt, which gets all.
        """
        left = max(0.001, self.left(now))
        if self._call.effect is Effect.WRITE and self._call.idempotency_key is None:
            return left
        share = max(left / 2, min(left, SHARE_SECONDS_MIN))
        return min(share, self._call.patience) if has_other and self._call.patience else share

    def failed(self, endpoint: Endpoint, judgement: Judgement) -> None:
        """Note an attempt that was in vain."""
        error = judgement.error
        self._attempts = [*self._attempts, Attempt(str(endpoint), str(error))][-ATTEMPTS_SHOWN:]
        # What a server said tells more than silence, and what is unknown stays so.
        is_better = self._worst is None or error.problem is not None or self._worst.problem is None
        if isinstance(error, Unknown) and not judgement.is_final:
            self.is_retry = True
        if is_better:
            self._worst = error
        self._waits.append(error.meta.retry_after or 0.0)
        self._is_hopeless = self._is_hopeless and judgement.is_lasting

    def pause(self, now: float) -> float | None:
        """Return how long to wait before the next round; `None`: it would come too late, or be in vain.

        Where every endpoint has said when to come back, it is not before that.
        """
        if self._is_hopeless:
            return None
        seconds = self._backoff.next(min(self._waits, default=0.0))
        return seconds if seconds < self.left(now) else None

    def begin_round(self) -> None:
        """Ask every endpoint again."""
        self.tried.clear()
        self._waits.clear()
        self._is_hopeless = True

    def error(self) -> QuorateError:
        """Return what the caller is told."""
        worst = self._worst
        if worst is None:
            kind: type[QuorateError] = Unknown if self.is_retry else Unavailable
            return kind("the time was over before a node was asked", idempotency_key=self._call.idempotency_key)
        return self._told(worst)

    def final(self, error: QuorateError) -> QuorateError:
        """Return an error that ends the call at once, with the attempts that were made before."""
        return self._told(error)

    def _told(self, error: QuorateError) -> QuorateError:
        if self.is_retry and not isinstance(error, Unknown) and error.code != "idempotency-reused":
            error = Unknown(str(error), problem=error.problem, meta=error.meta)
        error.attempts = tuple(self._attempts)
        error.idempotency_key = self._call.idempotency_key
        return error
