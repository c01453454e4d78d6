"""The client with asyncio: any number of tasks of one event loop may use it at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Concatenate

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


def _awaited(
    operation: Callable[Concatenate[Operations, P], Machine[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """Make a method of the client of an operation."""

    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(operation(self._operations, *args, **kwargs))

    return documented(method, operation)


def _scanning(
    operation: Callable[Concatenate[Operations, P], Pages],
) -> Callable[Concatenate[AsyncClient, P], AsyncScan]:
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncScan:
        return AsyncScan(self, operation(self._operations, *args, **kwargs))

    return documented(method, operation)


class AsyncScan(Items, AsyncIterator[Item]):
    """The items of a scan; `pages()` gives them page by page instead."""

    def __init__(self, client: AsyncClient, pages: Pages) -> None:
        super().__init__(pages)
        self._client = client

    async def __anext__(self) -> Item:
        item = await self._client._run(self._next())
        if item is None:
            raise StopAsyncIteration
        return item

    async def pages(self) -> AsyncIterator[Page]:
        """Give page after page."""
        while (page := await self._client._run(self._pages.next_page())) is not None:
            yield page


class AsyncClient:
    """A client of one cluster, for the tasks of one event loop; its arguments are those of `Client`."""

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        options = Options.of(endpoints, token, token_file, ca, cert, insecure)
        self._operations = operations(options, timeout, admin_timeout, routing, hedge)
        self._http = httpx.AsyncClient(**settings(options), transport=transport)
        self._process = Process()

    get = _awaited(Operations.get)
    put = _awaited(Operations.put)
    delete = _awaited(Operations.delete)
    mget = _awaited(Operations.mget)
    batch = _awaited(Operations.batch)
    scan = _scanning(Operations.scan)
    count = _awaited(Operations.count)
    locate = _awaited(Operations.locate)
    explain = _awaited(Operations.explain)
    tables = _awaited(Operations.tables)
    table = _awaited(Operations.table)
    create_table = _awaited(Operations.create_table)
    alter_table = _awaited(Operations.alter_table)
    drop_table = _awaited(Operations.drop_table)
    cluster = _awaited(Operations.cluster)
    nodes = _awaited(Operations.nodes)

    async def aclose(self) -> None:
        """Close the connections; requests at work fail."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def _run(self, machine: Machine[T]) -> T:
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
                        replies = [await self._send(effect)]
                    case Race():
                        replies = await self._race(effect)
                    case Sleep(seconds):
                        await asyncio.sleep(seconds)
                        replies = []

    async def _send(self, send: Send) -> Reply:
        status: list[int] = []
        try:
            return await asyncio.wait_for(self._exchange(send, status), send.timeout)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, asyncio.TimeoutError) as error:
            return failed(send.endpoint, error, status[0] if status else None)

    async def _exchange(self, send: Send, status: list[int]) -> Reply:
        request = request_of(self._http.build_request, send)
        response = await self._http.send(request, stream=True)
        async with contextlib.aclosing(response):
            status.append(response.status_code)
            if response.is_stream_consumed:  # a transport of a test may give its answer whole
                return answered(send.endpoint, response, [response.content])
            size, chunks = 0, []
            async for chunk in response.aiter_raw():
                chunks.append(chunk)
                size += len(chunk)
                if size > ANSWER_BYTES_MAX:
                    return too_large(send.endpoint, response.status_code)
            return answered(send.endpoint, response, chunks)

    async def _race(self, race: Race) -> Came:
        """Run both attempts in tasks; the one that is late is cancelled."""
        first = asyncio.create_task(self._send(race.first))
        left = {first}
        came: list[Reply] = []
        try:
            done, left = await asyncio.wait(left, timeout=race.after)
            if done:
                return [first.result()]
            left.add(asyncio.create_task(self._send(race.second)))
            while left and not any(map(race.settles, came)):
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                came += sorted((task.result() for task in done), key=race.settles)
            return [*(Late(race.first.endpoint if task is first else race.second.endpoint) for task in left), *came]
        finally:
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
