"""What a server answers, decoded. Members that this version does not know are passed over."""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from quorate._keys import key_of, value_of

Json = dict[str, Any]


class Version(str):
    """The version of a key, `<number>-<writer>`: the number grows with every update of the key."""

    __slots__ = ()

    @property
    def number(self) -> int:
        """The part that grows."""
        return int(self.split("-", 1)[0])


@dataclass(frozen=True, slots=True)
class Consistency:
    """What an answer promises, and the counts that it rests on: the header `Quorate-Consistency`."""

    guarantee: str
    """`linearizable`, `regular` or `eventual`."""
    counts: Mapping[str, int]
    """`r` or `w` (owners asked for), `n` (copies), `acks` (owners known to hold it), `repaired`."""
    reason: str | None
    """Why the guarantee is less than the level says; `None`: it is what it says."""
    text: str
    """The whole header."""

    @classmethod
    def parse(cls, text: str) -> Consistency:
        """Read the header; a part that is unknown is passed over."""
        guarantee, *parts = (part.strip() for part in text.split(";"))
        pairs = dict(part.split("=", 1) for part in parts if "=" in part)
        counts = {name: int(value) for name, value in pairs.items() if value.isdecimal()}
        return cls(guarantee, counts, pairs.get("reason"), text)


@dataclass(frozen=True, slots=True)
class Meta:
    """What the headers of an answer say."""

    version: Version | None = None
    """Of the value, or of the tombstone if one is known."""
    etag: str | None = None
    """The strong validator made from the version."""
    consistency: Consistency | None = None
    """What the answer promises."""
    epoch: int | None = None
    """The catalog's epoch under which it was served."""
    coordinator: str | None = None
    """The node that served it."""
    request: str | None = None
    """The request's id, as the node's log has it."""
    last_modified: datetime | None = None
    """When it was written, by the clock of the node that took the write; orders nothing."""
    expires: datetime | None = None
    """When the value expires, if it does."""
    retry_after: float | None = None
    """After how many seconds another attempt makes sense, if the server said so."""

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Meta:
        """Read the headers, whose names are in lower case."""
        version = headers.get("quorate-version")
        consistency, wait = headers.get("quorate-consistency"), headers.get("retry-after", "")
        return cls(
            version=Version(version) if version else None,
            etag=headers.get("etag"),
            consistency=Consistency.parse(consistency) if consistency else None,
            epoch=epoch_of(headers),
            coordinator=headers.get("quorate-coordinator"),
            request=headers.get("quorate-request"),
            last_modified=_date(headers.get("last-modified")),
            expires=_date(headers.get("expires")),
            retry_after=float(wait) if wait.isdecimal() else None,
        )


def epoch_of(headers: Mapping[str, str]) -> int | None:
    """Return the epoch in which an answer was given."""
    epoch = headers.get("quorate-epoch", "")
    return int(epoch) if epoch.isdecimal() else None


def _date(text: str | None) -> datetime | None:
    try:
        return email.utils.parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Value:
    """A value that was read."""

    value: bytes
    """Its bytes, as they were put."""
    content_type: str | None
    """The media type that it was put with."""
    meta: Meta
    """What the answer promises, and how it came about."""

    @property
    def version(self) -> Version | None:
        """The version of the key."""
        return self.meta.version


@dataclass(frozen=True, slots=True)
class Written:
    """A write that reached its level: so many owners hold it as durably as was asked."""

    version: Version
    etag: str
    acks: int
    """Owners that durably hold it."""
    required: int
    """Owners that were waited for."""
    n: int
    """Copies of the table."""
    consistency: str
    """The guarantee."""
    replayed: bool
    """Whether an earlier attempt had done it already."""
    idempotency_key: str | None
    """The operation id it was sent with."""
    meta: Meta

    @classmethod
    def of(cls, document: Json, idempotency_key: str | None, meta: Meta) -> Written:
        """Read the body of an acknowledged write, or one result of a batch."""
        return cls(
            version=Version(document["version"]),
            etag=document["etag"],
            acks=int(document["acks"]),
            required=int(document["required"]),
            n=int(document["n"]),
            consistency=document["consistency"],
            replayed=bool(document["replayed"]),
            idempotency_key=idempotency_key,
            meta=meta,
        )


@dataclass(frozen=True, slots=True)
class Item:
    """A key of a scan."""

    key: bytes
    value: bytes | None
    """The value, if values were wanted."""
    version: Version
    size: int
    """The value's bytes."""
    content_type: str | None
    expires_at: str | None
    """When the value expires, if it does (RFC 3339)."""

    @classmethod
    def of(cls, document: Json) -> Item:
        """Read one item of a page."""
        return cls(
            key=key_of(document),
            value=value_of(document),
            version=Version(document["version"]),
            size=int(document["size"]),
            content_type=document.get("content_type"),
            expires_at=document.get("expires_at"),
        )


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a scan."""

    items: list[Item]
    next_cursor: str | None
    """Where the next page begins, at any node; `None`: this is the last one."""
    count: int | None
    """Of a page that counts: how many keys."""
    meta: Meta

    @classmethod
    def of(cls, document: Json, meta: Meta) -> Page:
        """Read a page."""
        items = [Item.of(item) for item in document["items"]]
        return cls(items, document["next_cursor"], document.get("count"), meta)


@dataclass(frozen=True, slots=True)
class Owner:
    """An owner of a key."""

    node: str
    """Its id."""
    name: str | None
    zone: str | None
    address: str | None
    """Where clients reach it; `None`: it is not known."""
    up: bool

    @classmethod
    def of(cls, document: Json) -> Owner:
        """Read one owner."""
        return cls(**{name: document[name] for name in ("node", "name", "zone", "address", "up")})


@dataclass(frozen=True, slots=True)
class Location:
    """Where a key lives."""

    key: bytes
    token: str
    """Its position on the ring: 16 hexadecimal digits."""
    shard: str
    epoch: int
    """The catalog's epoch."""
    owners: list[Owner]
    """In the order of preference."""
    next: list[Owner]
    """While the shard moves: the new owners."""
    raw: Json = field(repr=False)
    """The whole document."""

    @classmethod
    def of(cls, document: Json) -> Location:
        """Read the document."""
        owners, following = ([Owner.of(o) for o in document.get(name, ())] for name in ("owners", "next"))
        token, shard, epoch = document["token"], document["shard"], int(document["epoch"])
        return cls(key_of(document), token, shard, epoch, owners, following, document)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Where a key lives, and what each owner says that it holds."""

    location: Location
    agree: bool
    """Whether all owners answered and hold the same."""
    replicas: list[Json]
    """What each owner holds: its `node`, and its `version`, `size`, `tombstone`, .. or its `error`."""
    hints_elsewhere: list[Json]
    """Other members that keep a hint for an owner."""

    @classmethod
    def of(cls, document: Json) -> Explanation:
        """Read the document."""
        replicas, hints = document["replicas"], document["hints_elsewhere"]
        return cls(Location.of(document), bool(document["agree"]), replicas, hints)


@dataclass(frozen=True, slots=True)
class Table:
    """A table."""

    name: str
    id: str
    """Issued by the catalog, never reused."""
    sharding: str
    """`hash` or `range`."""
    n: int
    r: str | int
    w: str | int
    """The write promise, and the default level of writes."""
    shards: int
    durability: str
    """`sync` or `os`."""
    ttl: str | None
    epoch: int
    """The catalog's epoch since which it is so."""
    raw: Json = field(repr=False)
    """The whole document."""

    @classmethod
    def of(cls, document: Json) -> Table:
        """Read the document."""
        names = ("name", "id", "sharding", "n", "r", "w", "shards", "durability", "ttl", "epoch")
        return cls(**{name: document[name] for name in names}, raw=document)


@dataclass(frozen=True, slots=True)
class Node:
    """A member, as the node that answered sees it."""

    id: str
    name: str
    state: str
    """`up` or `down`."""
    zone: str
    address: str | None
    """Where clients reach it."""
    shards: int
    """Copies of shards that it should hold."""
    hints: int
    """Hints kept for it."""
    reason: str | None
    """Why it is down, or asked last."""
    raw: Json = field(repr=False)
    """The whole document."""

    @classmethod
    def of(cls, document: Json) -> Node:
        """Read one member."""
        names = ("id", "name", "state", "zone", "address", "shards", "hints", "reason")
        return cls(**{name: document[name] for name in names}, raw=document)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The state of the cluster, as the node that answered sees it."""

    name: str
    id: str
    node: str
    """The node that answered."""
    epoch: int
    leader: str | None
    healthy: bool
    health: str
    """A sentence for people."""
    nodes: int
    nodes_up: int
    at_risk: list[str]
    """What has no quorum now."""
    raw: Json = field(repr=False)
    """The whole document."""

    @classmethod
    def of(cls, document: Json) -> Cluster:
        """Read the document."""
        names = ("name", "id", "node", "epoch", "leader", "healthy", "health", "nodes", "nodes_up", "at_risk")
        return cls(**{name: document[name] for name in names}, raw=document)
