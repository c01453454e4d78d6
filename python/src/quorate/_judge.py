"""What a reply means: whether it settles the request, what became of the data, and whether to go on elsewhere.

Here, and nowhere else, stands what may be sent again::

                                          a read       a write
    not sent                              elsewhere    elsewhere
    408 421 429 503, not applied          elsewhere    elsewhere
    silence, a broken answer, 500, 504    elsewhere    elsewhere as a retry, if it has an operation id; else the end
    507, any other 4xx                    the end      the end

A retry that is refused leaves the outcome open, unless its id belongs to another body: what it did not do says nothing
of the attempts before it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from quorate._endpoint import Endpoint
from quorate._errors import (
    Applied,
    NotApplied,
    NotQuorate,
    Problem,
    QuorateError,
    Unavailable,
    Unknown,
    of_status,
)
from quorate._machine import Answer, Failure, Reply
from quorate._outcome import Effect
from quorate._results import Meta

ELSEWHERE = frozenset({408, 421, 429, 503})
"""A refusal that is due to the node, not to the request."""

ASIDE = frozenset({"starting", "draining", "overloaded", "bad-host", "request-timeout", "rate-limited"})
"""Codes of a node that is better asked last for a while."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why a reply is not the answer."""

    error: QuorateError
    """What the caller is told, if nothing better comes."""
    is_final: bool = True
    """Whether nothing better can come, or must not be asked for."""
    is_lasting: bool = False
    """Whether the same endpoint would say the same a moment later."""
    is_aside: bool = False
    """Whether the endpoint is better asked last for a while."""


def judge(reply: Reply, effect: Effect, is_retry: bool, idempotency_key: str | None) -> Judgement | None:
    """Return why a reply is not the answer; `None`: it is."""
    if isinstance(reply, Failure):
        return _of_failure(reply, effect, is_retry, idempotency_key)
    if reply.status in range(200, 300) or reply.status == 304:
        return None
    meta = Meta.of(reply.headers)
    problem = Problem.of(reply.status, document(reply))
    if problem is None:
        return _of_stranger(reply, meta, effect, is_retry, idempotency_key)
    return of_problem(problem, meta, reply.endpoint, effect, is_retry, idempotency_key)


def of_problem(
    problem: Problem,
    meta: Meta,
    endpoint: Endpoint | None,
    effect: Effect,
    is_retry: bool,
    idempotency_key: str | None,
) -> Judgement:
    """Judge what a server says, of a request or of one item of many."""
    is_unknown = effect is Effect.WRITE and _is_unknown(problem, is_retry)
    kind = Unknown if is_unknown else of_status(problem.status)
    where = f" ({endpoint})" if endpoint else ""
    message = f"{problem.code}: {problem.detail}{where}"
    error = kind(message, problem=problem, meta=meta, idempotency_key=idempotency_key)
    if effect is Effect.READ:
        goes_on = problem.status in ELSEWHERE or problem.status in (500, 504)
    elif is_unknown:
        # A retry that is refused as such was told all that there is to know.
        goes_on = idempotency_key is not None and (problem.status in ELSEWHERE or problem.status in (500, 504))
    else:
        goes_on = problem.status in ELSEWHERE
    return Judgement(error, not goes_on, problem.status == 421, problem.code in ASIDE)


def document(answer: Answer) -> object:
    """Return the JSON in the body of an answer; `None`: it is none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def unreadable(answer: Answer, effect: Effect, idempotency_key: str | None) -> QuorateError:
    """Return what a good answer is whose body makes no sense."""
    message = f"{answer.endpoint} answers {answer.status}, but not as Quorate does"
    kind = Applied if effect is Effect.WRITE else NotQuorate
    return kind(message, meta=Meta.of(answer.headers), idempotency_key=idempotency_key)


def _is_unknown(problem: Problem, is_retry: bool) -> bool:
    if problem.code == "idempotency-reused":
        return False
    if is_retry:
        return True
    if problem.outcome is not None:
        # A word of a newer server may mean anything.
        return problem.outcome != "not_applied"
    return not (problem.status < 500 or problem.status in (503, 507))


def _of_failure(reply: Failure, effect: Effect, is_retry: bool, idempotency_key: str | None) -> Judgement:
    message = f"{reply.endpoint} gave no answer: {reply.cause}"
    if effect is Effect.READ or not reply.is_sent:
        kind = Unknown if is_retry else Unavailable
        return Judgement(kind(message, idempotency_key=idempotency_key), is_final=False, is_aside=True)
    if reply.status in range(200, 300):
        return Judgement(Applied(message, idempotency_key=idempotency_key))
    error = Unknown(message, idempotency_key=idempotency_key)
    return Judgement(error, is_final=idempotency_key is None, is_aside=True)


def _of_stranger(answer: Answer, meta: Meta, effect: Effect, is_retry: bool, idempotency_key: str | None) -> Judgement:
    """Judge an answer that no Quorate node gives: a proxy's 502 proves nothing, its 400 that nothing was passed on."""
    kind: type[NotApplied | Unknown] = NotQuorate
    if effect is Effect.WRITE and (answer.status >= 500 or is_retry):
        kind = Unknown
    elif answer.status in (401, 403, 429) or answer.status >= 500:
        kind = of_status(answer.status)
    error = kind(
        f"{answer.endpoint} answers {answer.status}, but not as Quorate does",
        meta=meta,
        idempotency_key=idempotency_key,
    )
    goes_on = answer.status >= 500 or answer.status in ELSEWHERE
    is_safe = effect is Effect.READ or kind is not Unknown or idempotency_key is not None
    return Judgement(error, not (goes_on and is_safe), is_aside=goes_on)
