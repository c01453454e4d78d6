"""Many keys in one request: each item has an outcome of its own, and is repeated by the same rules as a single one.

::

    items ──> one request ──> results ──┬── done, or refused for good ──────> the caller
       ^                                └── failed for now ── pause ──┐
       └── only these: as first attempts, or those of unknown outcome ┘       until the deadline
           as retries
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from quorate._call import Backoff, Call
from quorate._endpoint import Endpoint
from quorate._engine import Engine
from quorate._errors import NotApplied, NotQuorate, Problem, QuorateError, Unknown
from quorate._judge import Judgement, document, of_problem, unreadable
from quorate._keys import Key, Ttl, key_bytes, key_document, key_path, ttl_text, value_of
from quorate._machine import Machine, Sleep
from quorate._outcome import Effect
from quorate._results import Json, Meta, Version, Written

TOO_LARGE = 413
"""Of an item of an mget: its value has no room beside the others."""


class BatchItem:
    """An item of a batch: `Put` or `Delete`."""

    __slots__ = ()
    key: Key
    idempotency_key: str | None

    def document(self) -> Json:
        """Return the item as JSON."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Put(BatchItem):
    """A value to store, as an item of a batch."""

    key: Key
    value: bytes
    content_type: str | None = None
    ttl: Ttl | None = None
    idempotency_key: str | None = None
    """The operation id of an earlier attempt; by default the item gets one of its own."""

    def document(self) -> Json:
        """Return the item as JSON."""
        put: Json = {**key_document(key_bytes(self.key)), "value_b64": base64.b64encode(self.value).decode()}
        if self.content_type is not None:
            put["content_type"] = self.content_type
        if self.ttl is not None:
            put["ttl"] = ttl_text(self.ttl)
        return {"put": put}


@dataclass(frozen=True, slots=True)
class Delete(BatchItem):
    """A key to delete, as an item of a batch."""

    key: Key
    idempotency_key: str | None = None
    """The operation id of an earlier attempt; by default the item gets one of its own."""

    def document(self) -> Json:
        """Return the item as JSON."""
        return {"delete": key_document(key_bytes(self.key))}


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What an mget found of one key."""

    key: bytes
    value: bytes | None
    """`None`: see `error`."""
    content_type: str | None
    version: Version | None
    """If one is known: of the value, or of the tombstone."""
    consistency: str | None
    """The guarantee."""
    error: QuorateError | None
    """`NotFound`: the key has no value; any other: it could not be read."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one item of a batch."""

    key: bytes
    written: Written | None
    """`None`: see `error`."""
    error: QuorateError | None


@dataclass(slots=True)
class _Item:
    """An item on its way."""

    key: bytes
    document: Any
    idempotency_key: str | None = None
    is_retry: bool = False
    is_done: bool = False
    """Whether nothing better can come."""
    result: Json | None = None
    """What the server said of it, if that was good."""
    error: QuorateError | None = None
    meta: Meta = field(default_factory=Meta)


def mget(engine: Engine, call: Call, keys: Sequence[bytes]) -> Machine[list[ReadResult]]:
    """Read these keys; the ones that do not fit into one answer are read alone."""
    deadline = engine.clock() + call.timeout
    items = [_Item(key, key_document(key)) for key in keys]
    yield from _perform(engine, call, items, lambda left: {"keys": [item.document for item in left]})
    for item in items:
        if item.error is not None and item.error.status == TOO_LARGE:
            yield from _read_alone(engine, replace(call, timeout=deadline - engine.clock()), item)
    return [_read(item) for item in items]


def batch(
    engine: Engine, call: Call, given: Sequence[BatchItem], ids: Sequence[str | None]
) -> Machine[list[BatchResult]]:
    """Write these items, each with its operation id; one without is sent at most once."""
    items = [_Item(key_bytes(item.key), item.document(), is_retry=call.is_retry) for item in given]
    for item, idempotency_key in zip(items, ids, strict=True):
        if idempotency_key is not None:
            item.idempotency_key = item.document["idempotency_key"] = idempotency_key
    call.idempotency_key = ids[0] if ids else None
    yield from _perform(engine, call, items, lambda left: {"items": [item.document for item in left]})
    return [_written(item) for item in items]


def _perform(
    engine: Engine, call: Call, items: Sequence[_Item], body: Callable[[Sequence[_Item]], Json]
) -> Machine[None]:
    deadline, backoff = engine.clock() + call.timeout, Backoff(engine.rng)
    while True:
        left = [item for item in items if not item.is_done]
        retries = [item for item in left if item.is_retry]
        firsts = [item for item in left if not item.is_retry]
        for is_retry, group in ((False, firsts), (True, retries)):
            if group or not items:
                part = replace(
                    call,
                    headers=[*call.headers, ("content-type", "application/json")],
                    body=json.dumps(body(group)).encode(),
                    timeout=max(0.001, deadline - engine.clock()),
                    is_retry=is_retry,
                )
                yield from _ask(engine, part, group)
        pause = backoff.next()
        if all(item.is_done for item in items) or engine.clock() + pause >= deadline:
            return
        yield Sleep(pause)


def _ask(engine: Engine, call: Call, group: Sequence[_Item]) -> Machine[None]:
    """Send these items, and note what became of each."""
    try:
        answer = yield from engine.perform(call)
        read = document(answer)
        results = read.get("results") if isinstance(read, dict) else None
        if not isinstance(results, list) or len(results) != len(group):
            raise unreadable(answer, call.effect, call.idempotency_key)
    except QuorateError as error:
        if isinstance(error, NotApplied) and not call.is_retry and all(item.error is None for item in group):
            raise  # nothing was done of any item
        for item in group:
            item.is_done, item.error = True, _own(error, item)
        return
    for item, result in zip(group, results, strict=True):
        item.meta = Meta.of(answer.headers)
        judgement = _judged(call, item, result, answer.endpoint)
        if judgement is None:
            item.is_done, item.result, item.error = True, result, None
        else:
            item.is_done, item.error = judgement.is_final, judgement.error
            item.is_retry = item.is_retry or isinstance(judgement.error, Unknown)


def _judged(call: Call, item: _Item, result: Json, endpoint: Endpoint) -> Judgement | None:
    status, version = result.get("status"), result.get("version")
    if isinstance(status, int) and 200 <= status < 300:
        return None
    problem = Problem.of(status if isinstance(status, int) else 500, result.get("error"))
    if problem is None:
        kind = Unknown if call.effect is Effect.WRITE else NotQuorate
        return Judgement(kind(f"{endpoint} says nothing of an item", idempotency_key=item.idempotency_key))
    own = replace(item.meta, version=Version(version) if version else None)
    return of_problem(problem, own, endpoint, call.effect, item.is_retry, item.idempotency_key)


def _own(error: QuorateError, item: _Item) -> QuorateError:
    """Return the error of a request as that of one of its items."""
    kind = Unknown if item.is_retry else type(error)
    own = kind(str(error), problem=error.problem, meta=error.meta, attempts=error.attempts)
    own.idempotency_key = item.idempotency_key
    return own


def _read_alone(engine: Engine, call: Call, item: _Item) -> Machine[None]:
    table = call.path.split("/")[3]
    path, is_base64 = key_path(table, "keys", item.key)
    query = [*call.query, ("enc", "b64")] if is_base64 else call.query
    try:
        alone = Call("GET", path, Effect.READ, call.timeout, query=query, place=(table, item.key))
        answer = yield from engine.perform(alone)
    except QuorateError as error:
        item.error = error
        return
    item.meta, item.error = Meta.of(answer.headers), None
    item.result = {
        "value_b64": base64.urlsafe_b64encode(answer.body).decode(),
        "content_type": answer.headers.get("content-type"),
        "version": item.meta.version,
        "consistency": item.meta.consistency.guarantee if item.meta.consistency else None,
    }


def _read(item: _Item) -> ReadResult:
    said = item.result or {}
    version = said.get("version")
    return ReadResult(
        key=item.key,
        value=value_of(said) if item.error is None else None,
        content_type=said.get("content_type"),
        version=Version(version) if version else None if item.error is None else item.error.meta.version,
        consistency=said.get("consistency"),
        error=item.error,
    )


def _written(item: _Item) -> BatchResult:
    if item.error is not None or item.result is None:
        return BatchResult(item.key, None, item.error)
    return BatchResult(item.key, Written.of(item.result, item.idempotency_key, item.meta), None)
