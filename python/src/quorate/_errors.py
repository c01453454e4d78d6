"""What can go wrong, and what then happened to the data.

::

    QuorateError
      NotApplied       it had no effect and never will; of a read: there is no answer
        Unavailable      no node, or too few owners, could do it in time
        NotFound         no such key, table, ..
        Conflict         what is there already stands against it
        BadRequest       the request itself is wrong, or over a limit
        Unauthorized     the bearer token or the client certificate is not accepted, or missing
        Forbidden        it is accepted, and does not allow this
        NotQuorate       what answered is no Quorate node
      Unknown          a write that may have taken effect, or may yet, at most once
      Applied          a write that took effect, although its answer could not be read

The outcome comes first: a refusal that leaves it open (409 `idempotency-expired`) is `Unknown`, and no `Conflict`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from quorate._outcome import Outcome
from quorate._results import Meta


@dataclass(frozen=True, slots=True)
class Problem:
    """How a server says no: `application/problem+json` (RFC 9457). A program decides by `code`."""

    code: str
    """A stable word, such as `write-timeout`."""
    status: int
    title: str
    detail: str
    """What happened this time."""
    instance: str | None
    """The request's id, which is in the server's log too."""
    outcome: str | None
    """What happened to the data, in the server's word."""
    raw: dict[str, Any] = field(repr=False)
    """The whole document: `table`, `shard`, `required`, `acks`, `replicas`, .."""

    @classmethod
    def of(cls, status: int, document: object) -> Problem | None:
        """Read a problem; `None`: it is none. The status of the answer wins."""
        if not isinstance(document, dict) or not isinstance(document.get("code"), str) or not document["code"]:
            return None
        title, detail = str(document.get("title", "")), str(document.get("detail", ""))
        instance, outcome = document.get("instance"), document.get("outcome")
        return cls(document["code"], status, title, detail, instance, outcome, document)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt that was in vain."""

    endpoint: str
    """Where it went: a URL without a path."""
    cause: str
    """What happened."""

    def __str__(self) -> str:
        return f"{self.endpoint}: {self.cause}"


class QuorateError(Exception):
    """Why a request has no good answer; `outcome` says what happened to the data."""

    outcome: Outcome = Outcome.NOT_APPLIED

    def __init__(
        self,
        message: str,
        *,
        problem: Problem | None = None,
        meta: Meta | None = None,
        attempts: tuple[Attempt, ...] = (),
        idempotency_key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.problem = problem
        """What the server said, if one said anything."""
        self.meta = meta if meta is not None else Meta()
        """What its headers said: of a deleted key the tombstone's version, for example."""
        self.attempts = attempts
        """Every attempt that was in vain, the last one at the end."""
        self.idempotency_key = idempotency_key
        """The operation id of the write, with which it can be repeated (`retry=True`)."""

    @property
    def code(self) -> str:
        """The problem's stable word; empty if no server said one."""
        return self.problem.code if self.problem else ""

    @property
    def status(self) -> int | None:
        """The HTTP status of the problem."""
        return self.problem.status if self.problem else None


class NotApplied(QuorateError):
    """It had no effect and never will. Of a read: there is no answer."""


class Unavailable(NotApplied):
    """No node answered, or too few owners could, until the time was over."""


class NotFound(NotApplied):
    """There is no such key (`no-such-key`), table (`no-such-table`), .."""


class Conflict(NotApplied):
    """What is there already stands against it: `table-exists`, `idempotency-reused`, .."""


class BadRequest(NotApplied):
    """The request itself is wrong, or over a limit: the same one will be refused again."""


class Unauthorized(NotApplied):
    """The bearer token or the client certificate is not accepted, or there is none (401)."""


class Forbidden(NotApplied):
    """The client is known, and may not do this (403)."""


class NotQuorate(NotApplied):
    """What answered is no Quorate node: a proxy's page, another service on that port."""


class Unknown(QuorateError):
    """A write that may have taken effect, or may yet, at most once.

    Read before you go on; or repeat it with its `idempotency_key` and `retry=True`, which is never applied twice.
    """

    outcome = Outcome.UNKNOWN


class Applied(QuorateError):
    """A write that took effect, although its answer could not be read."""

    outcome = Outcome.APPLIED


def of_status(status: int) -> type[NotApplied]:
    """Return what a refusal without effect is."""
    known: dict[int, type[NotApplied]] = {
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        429: Unavailable,
    }
    return known.get(status) or (BadRequest if status < 500 else Unavailable)
