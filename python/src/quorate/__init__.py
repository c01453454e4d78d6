"""The Python client of Quorate, a replicated key-value database that says what its quorum promises.

::

    from quorate import Client, NotFound

    with Client(["127.0.0.1:7400", "127.0.0.1:7410"]) as client:
        written = client.put("demo", "greeting", b"hello", ttl=60)
        read = client.get("demo", "greeting")
        print(read.value, read.version, read.meta.consistency.guarantee)

A client of a replicated database has one hard question to answer: *what happened to my write?* So every error is a
`QuorateError` whose class says it: `NotApplied`, `Unknown` or `Applied`. Until it comes to that, the client tries:

- A write has an operation id of its own (`Idempotency-Key`). Where the outcome of an attempt is unknown, the same write
  is sent again as a retry under the same id, which is never applied twice; never under another one.
- Attempts go on, with growing random pauses and as servers ask for (`Retry-After`), until the deadline. A node that
  fails is set aside, and others are asked first.
- A key's request goes to one of its owners, by a map of the table that is asked for once in an epoch of the catalog
  (with the extra `owners`; in a range table also without). Any node would do: a stale map costs a hop, no promise.
- With `hedge` a read that takes long is sent to a second node too.

What decides all that (`_engine.py`, `_judge.py`, `_call.py`) opens no socket; `Client` and `AsyncClient` run it.
"""

from quorate._async import AsyncClient, AsyncScan
from quorate._errors import (
    Applied,
    Attempt,
    BadRequest,
    Conflict,
    Forbidden,
    NotApplied,
    NotFound,
    NotQuorate,
    Problem,
    QuorateError,
    Unauthorized,
    Unavailable,
    Unknown,
)
from quorate._keys import Key, Level, Ttl
from quorate._many import BatchItem, BatchResult, Delete, Put, ReadResult
from quorate._outcome import Outcome
from quorate._results import (
    Cluster,
    Consistency,
    Explanation,
    Item,
    Location,
    Meta,
    Node,
    Owner,
    Page,
    Table,
    Value,
    Version,
    Written,
)
from quorate._sync import Client, Scan

__all__ = [
    "Applied",
    "AsyncClient",
    "AsyncScan",
    "Attempt",
    "BadRequest",
    "BatchItem",
    "BatchResult",
    "Client",
    "Cluster",
    "Conflict",
    "Consistency",
    "Delete",
    "Explanation",
    "Forbidden",
    "Item",
    "Key",
    "Level",
    "Location",
    "Meta",
    "Node",
    "NotApplied",
    "NotFound",
    "NotQuorate",
    "Outcome",
    "Owner",
    "Page",
    "Problem",
    "Put",
    "QuorateError",
    "ReadResult",
    "Scan",
    "Table",
    "Ttl",
    "Unauthorized",
    "Unavailable",
    "Unknown",
    "Value",
    "Version",
    "Written",
]
