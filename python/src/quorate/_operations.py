"""What a client can be asked for, as machines; both clients have these methods.

Each operation here makes a call, has the engine perform it, and reads the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from quorate._call import Call
from quorate._engine import Engine
from quorate._errors import BadRequest
from quorate._ids import Lanes
from quorate._judge import document, unreadable
from quorate._keys import (
    Key,
    Level,
    Ttl,
    checked_idempotency_key,
    key_bytes,
    key_document,
    key_path,
    table_path,
    ttl_text,
)
from quorate._machine import Answer, Machine
from quorate._many import BatchItem, BatchResult, ReadResult, batch, mget
from quorate._outcome import Effect
from quorate._results import Cluster, Explanation, Json, Location, Meta, Node, Table, Value, Written
from quorate._scan import Pages, counted

Durability = Literal["sync", "os"]

BELOW = "invalid-consistency"
"""The code of a write that has an operation id and a level below the table's `w`; or of a level that is none."""

PATIENCE_SECONDS = 1.0
"""How long an endpoint may be silent before the next one is asked what any node knows from memory."""


class Operations:
    """Everything that a client can be asked for."""

    def __init__(self, engine: Engine, lanes: Lanes, timeout: float, admin_timeout: float) -> None:
        self._engine = engine
        self._lanes = lanes
        self._timeout = timeout
        self._admin_timeout = admin_timeout
        self._below: set[tuple[str, Level]] = set()

    # Keys

    def get(
        self,
        table: str,
        key: Key,
        *,
        consistency: Level | None = None,
        r: Level | None = None,
        timeout: float | None = None,
    ) -> Machine[Value]:
        """Read a key; `NotFound` (`no-such-key`) if it has no value."""
        call = self._on_key("GET", table, "keys", key, timeout)
        call.query += levels(consistency=consistency, r=r)
        call.is_hedged = True
        answer = yield from self._engine.perform(call)
        return Value(answer.body, answer.headers.get("content-type"), Meta.of(answer.headers))

    def put(
        self,
        table: str,
        key: Key,
        value: bytes,
        *,
        content_type: str | None = None,
        ttl: Ttl | None = None,
        consistency: Level | None = None,
        w: Level | None = None,
        durability: Durability | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        retry: bool = False,
    ) -> Machine[Written]:
        """Store a value.

        The write has an operation id of its own, so it is repeated by itself, and never applied twice. To repeat one
        whose outcome is unknown, give the id of its error, and `retry=True`.
        """
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"a value is bytes, not {type(value).__name__}")
        call = self._on_key("PUT", table, "keys", key, timeout, Effect.WRITE)
        call.body = bytes(value)
        if content_type is not None:
            call.headers.append(("content-type", content_type))
        if ttl is not None:
            call.query.append(("ttl", ttl_text(ttl)))
        call.query += levels(consistency=consistency, w=w, durability=durability)
        return (yield from self._write(call, table, consistency or w, idempotency_key, retry))

    def delete(
        self,
        table: str,
        key: Key,
        *,
        consistency: Level | None = None,
        w: Level | None = None,
        durability: Durability | None = None,
        timeout: float | None = None,
        idempotency_key: str | None = None,
        retry: bool = False,
    ) -> Machine[Written]:
        """Delete a key, whether or not it has a value; otherwise as `put`."""
        call = self._on_key("DELETE", table, "keys", key, timeout, Effect.WRITE)
        call.query += levels(consistency=consistency, w=w, durability=durability)
        return (yield from self._write(call, table, consistency or w, idempotency_key, retry))

    def mget(
        self,
        table: str,
        keys: Sequence[Key],
        *,
        consistency: Level | None = None,
        r: Level | None = None,
        timeout: float | None = None,
    ) -> Machine[list[ReadResult]]:
        """Read at most 1,000 keys; the results come in their order, each with its own error if it has one."""
        call = self._on_keys("POST", table, "mget", timeout)
        call.query += levels(consistency=consistency, r=r)
        return (yield from mget(self._engine, call, [key_bytes(key) for key in keys]))

    def batch(
        self,
        table: str,
        items: Sequence[BatchItem],
        *,
        consistency: Level | None = None,
        w: Level | None = None,
        durability: Durability | None = None,
        timeout: float | None = None,
        retry: bool = False,
    ) -> Machine[list[BatchResult]]:
        """Write at most 1,000 keys, each once; the results come in their order, each with its own error if it has one.

        It is not atomic: what becomes of one item says nothing of the others. Each has an operation id of its own, so
        those that fail are repeated by themselves, as a `put` is. An error is raised only where nothing was done of
        any item. To repeat items whose outcome is unknown, give them the ids of their errors, and `retry=True`.
        """
        call = self._on_keys("POST", table, "batch", timeout, Effect.WRITE)
        call.query += levels(consistency=consistency, w=w, durability=durability)
        level, call.is_retry = consistency or w, retry
        given = [item.idempotency_key for item in items]
        if retry and None in given:
            raise ValueError("a retry needs the idempotency_key of each item's first attempt")
        if self._is_below(table, level):
            return (yield from batch(self._engine, call, items, given))
        with self._lanes.lane() as lane:
            try:
                results = yield from batch(self._engine, call, items, [own or lane.next() for own in given])
                is_below = {result.error.code if result.error else "" for result in results} == {BELOW}
            except BadRequest as error:
                results, is_below = [], error.code == BELOW
                if not is_below or level is None:
                    raise
        if level is None or not is_below:
            return results
        self._note_below(table, level)
        return (yield from batch(self._engine, call, items, given))

    def scan(
        self,
        table: str,
        *,
        prefix: Key | None = None,
        start: Key | None = None,
        end: Key | None = None,
        reverse: bool = False,
        values: bool = False,
        limit: int | None = None,
        page_size: int | None = None,
        part: tuple[int, int] | None = None,
        cursor: str | None = None,
        consistency: Level | None = None,
        r: Level | None = None,
        timeout: float | None = None,
    ) -> Pages:
        """Scan the keys of a table in their order: an iterator, which asks for a page when it is wanted.

        `prefix`, `start`, `end`: the bounds, in the order of the keys' bytes. `values`: whether values are wanted.
        `limit`: most keys; `page_size`: most of a page. `part`: `(k, m)`, the part k of m equal ones of a hash table.
        `cursor`: where to go on, of a scan with the same bounds, part and direction. `timeout` is that of each page.
        """
        bounds = {"prefix": prefix, "start": start, "end": end}
        call = self._on_keys("GET", table, "keys", timeout)
        call.query += levels(consistency=consistency, r=r)
        return Pages.begin(self._engine, call, bounds, reverse, values, part, cursor, limit, page_size)

    def count(
        self,
        table: str,
        *,
        prefix: Key | None = None,
        start: Key | None = None,
        end: Key | None = None,
        part: tuple[int, int] | None = None,
        consistency: Level | None = None,
        r: Level | None = None,
        timeout: float | None = None,
    ) -> Machine[int]:
        """Return how many keys have a value; `timeout` is that of each page that is counted."""
        call = self._on_keys("GET", table, "keys", timeout)
        call.query += [("count", "true"), *levels(consistency=consistency, r=r)]
        bounds = {"prefix": prefix, "start": start, "end": end}
        return (yield from counted(Pages.begin(self._engine, call, bounds, False, False, part, None, None, None)))

    def locate(self, table: str, key: Key) -> Machine[Location]:
        """Return where a key lives: its shard and its owners."""
        call = self._on_key("GET", table, "locate", key, None)
        call.tells_timeout, call.patience = False, PATIENCE_SECONDS
        return Location.of((yield from self._document(call)))

    def explain(self, table: str, key: Key, *, timeout: float | None = None) -> Machine[Explanation]:
        """Return where a key lives, and what each owner says that it holds."""
        return Explanation.of((yield from self._document(self._on_key("GET", table, "explain", key, timeout))))

    # Tables

    def tables(self) -> Machine[list[Table]]:
        """Return every table."""
        read = yield from self._document(self._on_route("GET", "/v1/tables"))
        return [Table.of(table) for table in read["tables"]]

    def table(self, name: str) -> Machine[Table]:
        """Return one table; `NotFound` (`no-such-table`) if there is none."""
        return Table.of((yield from self._document(self._on_route("GET", table_path(name)))))

    def create_table(
        self,
        name: str,
        *,
        sharding: Literal["hash", "range"] | None = None,
        n: int | None = None,
        r: Level | None = None,
        w: Level | None = None,
        shards: int | None = None,
        split_at: Sequence[Key] | None = None,
        durability: Durability | None = None,
        ttl: Ttl | None = None,
        shard_bytes_max: int | None = None,
    ) -> Machine[Table]:
        """Make a table; what is left out is left to the server.

        It is answered once every member that can be reached knows the table. `Unknown`: look before you try again.
        """
        table_path(name)
        spec = {
            "name": name,
            "sharding": sharding,
            "n": n,
            "r": r,
            "w": w,
            "shards": shards,
            "split_at": None if split_at is None else [key_document(key_bytes(key)) for key in split_at],
            "durability": durability,
            "ttl": None if ttl is None else ttl_text(ttl),
            "shard_bytes_max": shard_bytes_max,
        }
        given = {name: value for name, value in spec.items() if value is not None}
        return Table.of((yield from self._document(self._change("POST", "/v1/tables", given))))

    def alter_table(
        self,
        name: str,
        *,
        r: Level | None = None,
        durability: Durability | None = None,
        ttl: Ttl | None = None,
        shard_bytes_max: int | Literal["default"] | None = None,
    ) -> Machine[Table]:
        """Change a table; what is left out stays as it is.

        `shard_bytes_max="default"`: as the nodes are configured.
        """
        change: Json = {"r": r, "durability": durability, "ttl": ttl, "shard_bytes_max": shard_bytes_max}
        change = {name: value for name, value in change.items() if value is not None}
        if ttl is not None:
            change["ttl"] = None if ttl == "none" else ttl_text(ttl)
        if shard_bytes_max == "default":
            change["shard_bytes_max"] = None
        return Table.of((yield from self._document(self._change("PATCH", table_path(name), change))))

    def drop_table(self, name: str, *, id: str | None = None) -> Machine[None]:  # noqa: A002  as the API has it
        """Drop a table with everything in it; `id`: only if it is the table of this id."""
        call = self._change("DELETE", table_path(name), None)
        if id is not None:
            call.query.append(("id", id))
        yield from self._engine.perform(call)

    # The cluster

    def cluster(self) -> Machine[Cluster]:
        """Return the state of the cluster, with a sentence on its health."""
        return Cluster.of((yield from self._document(self._on_route("GET", "/v1/cluster"))))

    def nodes(self) -> Machine[list[Node]]:
        """Return the members, as the node that answers sees them."""
        read = yield from self._document(self._on_route("GET", "/v1/cluster/nodes"))
        return [Node.of(node) for node in read["nodes"]]

    # How calls are made

    def _write(
        self, call: Call, table: str, level: Level | None, idempotency_key: str | None, retry: bool
    ) -> Machine[Written]:
        if idempotency_key is not None:
            call.is_retry = retry
            return (yield from self._numbered(call, checked_idempotency_key(idempotency_key)))
        if retry:
            raise ValueError("a retry needs the idempotency_key of the first attempt")
        if not self._is_below(table, level):
            with self._lanes.lane() as lane:
                try:
                    return (yield from self._numbered(call, lane.next()))
                except BadRequest as error:
                    if level is None or error.code != BELOW:
                        raise
            # A level below the table's w takes no id, and the node has done nothing: once more without.
            call.headers = [header for header in call.headers if header[0] != "idempotency-key"]
            call.idempotency_key = None
            self._note_below(table, level)
        return (yield from self._numbered(call, None))

    def _numbered(self, call: Call, idempotency_key: str | None) -> Machine[Written]:
        if idempotency_key is not None:
            call.idempotency_key = idempotency_key
            call.headers.append(("idempotency-key", idempotency_key))
        answer = yield from self._engine.perform(call)
        try:
            return Written.of(_object(answer), idempotency_key, Meta.of(answer.headers))
        except (KeyError, TypeError, ValueError):
            raise unreadable(answer, call.effect, idempotency_key) from None

    def _is_below(self, table: str, level: Level | None) -> bool:
        """Return whether a level is known to be below the table's `w`: then no operation id is taken."""
        return level is not None and (table, level) in self._below

    def _note_below(self, table: str, level: Level | None) -> None:
        if level is not None:
            self._below.add((table, level))

    def _document(self, call: Call) -> Machine[Json]:
        answer = yield from self._engine.perform(call)
        try:
            return _object(answer)
        except TypeError:
            raise unreadable(answer, call.effect, None) from None

    def _on_key(
        self,
        method: str,
        table: str,
        what: str,
        key: Key,
        timeout: float | None,
        effect: Effect = Effect.READ,
    ) -> Call:
        name = key_bytes(key)
        path, is_base64 = key_path(table, what, name)
        call = Call(method, path, effect, self._time(timeout), place=(table, name))
        if is_base64:
            call.query.append(("enc", "b64"))
        return call

    def _on_keys(self, method: str, table: str, what: str, timeout: float | None, effect: Effect = Effect.READ) -> Call:
        return Call(method, table_path(table, what), effect, self._time(timeout))

    def _on_route(self, method: str, path: str) -> Call:
        timeout, patience = self._admin_timeout, PATIENCE_SECONDS
        return Call(method, path, Effect.READ, timeout, tells_timeout=False, patience=patience)

    def _change(self, method: str, path: str, body: Mapping[str, Any] | None) -> Call:
        call = Call(method, path, Effect.WRITE, self._admin_timeout)
        if body is not None:
            call.headers.append(("content-type", "application/json"))
            call.body = json.dumps(body).encode()
        return call

    def _time(self, timeout: float | None) -> float:
        seconds = self._timeout if timeout is None else timeout
        if seconds <= 0:
            raise ValueError("a timeout is above zero")
        return seconds


def levels(**given: Level | Durability | None) -> Iterable[tuple[str, str]]:
    """Return the parameters that were given."""
    return [(name, str(value)) for name, value in given.items() if value is not None]


def _object(answer: Answer) -> Json:
    read = document(answer)
    if not isinstance(read, dict):
        raise TypeError("no object")
    return read
