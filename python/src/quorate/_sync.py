"""The client with threads: any number of them may use it at once."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Concatenate

import httpx

from quorate._exchange import ANSWER_BYTES_MAX, answered, failed, request_of, settings, too_large
from quorate._hedge import Hedge
from quorate._ids import Process
from quorate._machine import Came, Late, Machine, Race, Reply, Send, Sleep
from quorate._methods import P, Routing, T, documented, operations
from quorate._operations import Operations
from quorate._options import Options
from quorate._results import Item, Page
from quorate._scan import Items, Pages

RACERS_MAX = 32
"""Attempts that race at once; beyond that no second node is asked."""


def _blocking(
    operation: Callable[Concatenate[Operations, P], Machine[T]],
) -> Callable[Concatenate[Client, P], T]:
    """Make a method of the client of an operation."""

    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(operation(self._operations, *args, **kwargs))

    return documented(method, operation)


def _scanning(
    operation: Callable[Concatenate[Operations, P], Pages],
) -> Callable[Concatenate[Client, P], Scan]:
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Scan:
        return Scan(self, operation(self._operations, *args, **kwargs))

    return documented(method, operation)


class Scan(Items, Iterator[Item]):
    """The items of a scan; `pages()` gives them page by page instead."""

    def __init__(self, client: Client, pages: Pages) -> None:
        super().__init__(pages)
        self._client = client

    def __next__(self) -> Item:
        item = self._client._run(self._next())
        if item is None:
            raise StopIteration
        return item

    def pages(self) -> Iterator[Page]:
        """Give page after page."""
        while (page := self._client._run(self._pages.next_page())) is not None:
            yield page


class Client:
    """A client of one cluster, for any number of threads.

    `endpoints`: where to ask, as `host:port` or URLs; default: `QUORATE_ENDPOINTS`, else 127.0.0.1:7400.
    `timeout`: seconds that an operation on keys may take, with all its attempts. `admin_timeout`: the same of
    operations on tables and members. `token`, `token_file`: the bearer token; default: `QUORATE_TOKEN`, or the file
    `QUORATE_TOKEN_FILE`. `ca`: a file with the authority that nodes are trusted by; `cert`: this client's certificate,
    a file or a pair of certificate and key. `insecure`: whether the token may go over plain HTTP beyond this machine.
    `routing`: whether an owner of the key is asked, or any node. `hedge`: after how many seconds a read that has no
    answer is sent to a second node as well, or `p95`. `transport`: what sends in place of the network, for tests.
    """

    def __init__(
        self,
        endpoints: str | Sequence[str] | None = None,
        *,
        timeout: float = 5.0,
        admin_timeout: float = 30.0,
        token: str | None = None,
        token_file: str | os.PathLike[str] | None = None,
        ca: str | os.PathLike[str] | None = None,
        cert: tuple[str, str] | str | None = None,
        insecure: bool = False,
        routing: Routing = "owner",
        hedge: Hedge = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        options = Options.of(endpoints, token, token_file, ca, cert, insecure)
        self._operations = operations(options, timeout, admin_timeout, routing, hedge)
        self._http = httpx.Client(**settings(options), transport=transport)
        self._pool: ThreadPoolExecutor | None = None
        self._racers = threading.Semaphore(RACERS_MAX)
        self._lock = threading.Lock()
        self._process = Process()

    get = _blocking(Operations.get)
    put = _blocking(Operations.put)
    delete = _blocking(Operations.delete)
    mget = _blocking(Operations.mget)
    batch = _blocking(Operations.batch)
    scan = _scanning(Operations.scan)
    count = _blocking(Operations.count)
    locate = _blocking(Operations.locate)
    explain = _blocking(Operations.explain)
    tables = _blocking(Operations.tables)
    table = _blocking(Operations.table)
    create_table = _blocking(Operations.create_table)
    alter_table = _blocking(Operations.alter_table)
    drop_table = _blocking(Operations.drop_table)
    cluster = _blocking(Operations.cluster)
    nodes = _blocking(Operations.nodes)

    def close(self) -> None:
        """Close the connections; requests at work fail."""
        self._http.close()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, machine: Machine[T]) -> T:
        self._process.check()
        with contextlib.closing(machine):
            replies: Came | None = None
            while True:
                try:
                    effect = next(machine) if replies is None else machine.send(replies)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                match effect:
                    case Send():
                        replies = [self._send(effect)]
                    case Race():
                        replies = self._race(effect)
                    case Sleep(seconds):
                        time.sleep(seconds)
                        replies = []

    def _send(self, send: Send) -> Reply:
        status, size, chunks = None, 0, []
        deadline = time.monotonic() + send.timeout
        try:
            request = request_of(self._http.build_request, send)
            with contextlib.closing(self._http.send(request, stream=True)) as response:
                status = response.status_code
                # A transport of a test may give its answer whole.
                for chunk in [response.content] if response.is_stream_consumed else response.iter_raw():
                    chunks.append(chunk)
                    size += len(chunk)
                    if size > ANSWER_BYTES_MAX:
                        return too_large(send.endpoint, status)
                    if time.monotonic() > deadline:
                        raise TimeoutError
                return answered(send.endpoint, response, chunks)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            return failed(send.endpoint, error, status)

    def _race(self, race: Race) -> Came:
        """Run both attempts in threads. The one that is late goes on there until its own time is over."""
        first = self._racing(race.first)
        if first is None:
            return [self._send(race.first)]
        wait([first], race.after)
        second = None if first.done() else self._racing(race.second)
        if second is None:
            return [first.result()]
        left: set[Future[Reply]] = {first, second}
        came: list[Reply] = []
        while left and not any(map(race.settles, came)):
            done, left = wait(left, return_when=FIRST_COMPLETED)
            came += sorted((future.result() for future in done), key=race.settles)
        return [*(Late(race.first.endpoint if future is first else race.second.endpoint) for future in left), *came]

    def _racing(self, send: Send) -> Future[Reply] | None:
        """Send in a thread; `None`: as many as may be are at work."""
        if not self._racers.acquire(blocking=False):
            return None
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(RACERS_MAX, thread_name_prefix="quorate")
            future = self._pool.submit(self._send, send)
        future.add_done_callback(lambda _: self._racers.release())
        return future
