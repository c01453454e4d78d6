"""Keys, values and parameters as a request carries them.

A key is any bytes. In a path it is percent-encoded, but for a key with a segment `.` or `..`, which every URL library
resolves: that one goes as base64url. In JSON a key is text where it is UTF-8, else base64url.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

Key: TypeAlias = bytes | str
"""A key: bytes, or text that stands for its UTF-8."""

Level: TypeAlias = Literal["one", "quorum", "all"] | int
"""How many owners must answer."""

Ttl: TypeAlias = timedelta | float | Literal["none"]
"""How long a value lives: seconds, a `timedelta`, or `none`: until it is deleted."""

_TABLE = re.compile(r"[a-z0-9_-]{1,64}")
_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,64}:[0-9]{1,20}")


def key_bytes(key: Key) -> bytes:
    """Return the bytes of a key; the empty one is none."""
    if not key:
        raise ValueError("a key has at least one byte")
    return key.encode() if isinstance(key, str) else bytes(key)


def to_base64url(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return the bytes of base64url, with or without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def table_path(table: str, *rest: str) -> str:
    """Return the path of a table, or of something in it."""
    if not _TABLE.fullmatch(table):
        raise ValueError(f"{table!r} names no table: it is 1 to 64 of a-z, 0-9, _ and -")
    return "/".join(("/v1/tables", table, *rest))


def key_path(table: str, what: str, key: bytes) -> tuple[str, bool]:
    """Return the path of a key behind `keys`, `locate` or `explain`, and whether the query must say `enc=b64`."""
    is_resolved = any(segment in (b".", b"..") for segment in key.split(b"/"))
    return table_path(table, what, to_base64url(key) if is_resolved else quote(key, safe="")), is_resolved


def target(path: str, query: Iterable[tuple[str, str]]) -> str:
    """Return a path with its query."""
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    return f"{path}?{pairs}" if pairs else path


def key_document(key: bytes) -> dict[str, str]:
    """Return the members that name a key in JSON."""
    try:
        return {"key": key.decode()}
    except UnicodeDecodeError:
        return {"key_b64": to_base64url(key)}


def key_of(document: dict[str, Any]) -> bytes:
    """Return the key that a document names."""
    text = document.get("key")
    return text.encode() if isinstance(text, str) else from_base64url(document["key_b64"])


def value_of(document: dict[str, Any]) -> bytes | None:
    """Return the value that a document has, if it has one."""
    text, encoded = document.get("value"), document.get("value_b64")
    if isinstance(text, str):
        return text.encode()
    return from_base64url(encoded) if isinstance(encoded, str) else None


def checked_idempotency_key(text: str) -> str:
    """Return it, if it is `<client>:<sequence>`."""
    if not _IDEMPOTENCY_KEY.fullmatch(text):
        raise ValueError("an idempotency key is <client>:<sequence>: 1 to 64 visible ASCII characters, a number")
    return text


def milliseconds(seconds: float) -> str:
    """Return a length of time as a parameter; servers count whole milliseconds above zero."""
    return f"{max(1, int(seconds * 1000))}ms"


def ttl_text(ttl: Ttl) -> str:
    """Return how long a value lives, as a parameter."""
    if isinstance(ttl, str):
        return ttl
    seconds = ttl.total_seconds() if isinstance(ttl, timedelta) else ttl
    if seconds <= 0:
        raise ValueError("a time to live is above zero; 'none' means until it is deleted")
    return milliseconds(seconds)
