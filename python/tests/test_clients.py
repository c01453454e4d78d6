"""What both clients send and make of what comes: the same, by threads or by asyncio."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from network import WRITTEN

from quorate import AsyncClient, Client, NotQuorate, Unavailable, Unknown
from quorate._exchange import ANSWER_BYTES_MAX
from quorate._options import Options

Handler = Callable[[httpx.Request], httpx.Response]


def by_threads(handler: Handler, calls: Callable[[Any], Any], **how: Any) -> Any:
    with Client("a,b", routing="any", transport=httpx.MockTransport(handler), **how) as client:
        return calls(client)


def by_asyncio(handler: Handler, calls: Callable[[Any], Awaitable[Any]], **how: Any) -> Any:
    async def run() -> Any:
        async with AsyncClient("a,b", routing="any", transport=httpx.MockTransport(handler), **how) as client:
            return await calls(client)

    return asyncio.run(run())


BOTH = pytest.mark.parametrize("run", [by_threads, by_asyncio])
Run = Callable[..., Any]


@BOTH
def test_keys_of_any_bytes_reach_the_wire_unchanged(run: Run) -> None:
    targets = []

    def handler(request: httpx.Request) -> httpx.Response:
        targets.append(request.url.raw_path.split(b"&timeout")[0].split(b"?timeout")[0].decode())
        return httpx.Response(200, content=b"v")

    for key in (b"user-17", "a/b c", b"\0\r\n\xff%", b"..", b"a/./b", b"...", "?#[]@:"):
        run(handler, lambda client, key=key: client.get("t", key))
    assert [target.removeprefix("/v1/tables/t/keys/") for target in targets] == [
        "user-17",
        "a%2Fb%20c",
        "%00%0D%0A%FF%25",
        "Li4?enc=b64",
        "YS8uL2I?enc=b64",
        "...",
        "%3F%23%5B%5D%40%3A",
    ]


@BOTH
def test_a_put_says_all_that_was_asked(run: Run) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=WRITTEN)

    def calls(client: Any) -> Any:
        how = {"ttl": 1.5, "w": "all", "durability": "os", "content_type": "text/plain", "timeout": 2}
        return client.put("t", "k", bytearray(b""), **how)

    made = run(handler, calls)
    (request,) = seen
    assert made.version.number == 1
    assert made.idempotency_key == request.headers["idempotency-key"]
    params = dict(request.url.params)
    # Of two seconds an attempt gets one, of which the server is told four fifths.
    assert 700 < int(params.pop("timeout").removesuffix("ms")) <= 800
    assert params == {"ttl": "1500ms", "w": "all", "durability": "os"}
    assert (request.headers["content-type"], request.headers["content-length"]) == ("text/plain", "0")


@BOTH
def test_the_bearer_token_goes_into_the_header_and_nowhere_else(run: Run, tmp_path: Path) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(401, json={"code": "unauthenticated", "detail": "no"})

    (tmp_path / "token").write_text("qrt_1_secret\n")
    with pytest.raises(Exception, match="unauthenticated") as told:
        run(handler, lambda client: client.get("t", "k"), token_file=tmp_path / "token", insecure=True)
    assert seen[0].headers["authorization"] == "Bearer qrt_1_secret"
    assert "qrt_1_secret" not in str(seen[0].url) + repr(told.value) + str(vars(told.value))


@BOTH
@pytest.mark.parametrize(
    ("error", "is_sent"),
    [
        (httpx.ConnectError("connection refused"), False),
        (httpx.ConnectTimeout("late"), False),
        (httpx.PoolTimeout("late"), False),
        (httpx.ReadTimeout("late"), True),
        (httpx.ReadError("reset"), True),
        (httpx.WriteError("broken pipe"), True),
        (httpx.RemoteProtocolError("disconnected"), True),
    ],
)
def test_what_an_error_of_the_network_leaves_open(run: Run, error: httpx.HTTPError, is_sent: bool) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(Unknown if is_sent else Unavailable) as told:
        run(handler, lambda client: client.put("t", "k", b"v", timeout=0.1))
    assert told.value.attempts[0].endpoint in ("http://a:7400", "http://b:7400")


@BOTH
def test_an_answer_without_end_is_cut_off(run: Run) -> None:
    def sync_handler(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=httpx.ByteStream(b"x" * (ANSWER_BYTES_MAX + 1)))

    with pytest.raises((Unavailable, NotQuorate), match="more than"):
        run(sync_handler, lambda client: client.get("t", "k", timeout=2))


def test_a_slow_node_loses_the_race_by_threads_and_by_asyncio() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        if request.url.host == "a":
            time.sleep(0.5)
        return httpx.Response(200, content=request.url.host.encode())

    async def slow_too(request: httpx.Request) -> httpx.Response:
        if request.url.host == "a":
            await asyncio.sleep(5)
        return httpx.Response(200, content=request.url.host.encode())

    begun = time.monotonic()
    runs: list[tuple[Run, Any]] = [(by_threads, slow), (by_asyncio, slow_too)]
    for run, handler in runs * 2:
        assert run(handler, lambda client: client.get("t", "k"), hedge=0.02).value == b"b"
    assert time.monotonic() - begun < 2


def test_a_scan_is_an_iterator_of_items_that_says_where_it_is() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        at = int(request.url.params.get("cursor", "0"))
        items = [{"key": str(at + offset), "version": "1-1", "size": 1, "value": "v"} for offset in (0, 1)]
        return httpx.Response(200, json={"items": items, "next_cursor": str(at + 2) if at < 4 else None})

    def calls(client: Client) -> None:
        scan = client.scan("t", values=True)
        read = [next(scan).key for _ in range(3)]
        assert (read, scan.cursor, scan.is_over) == ([b"0", b"1", b"2"], "2", False)
        again = client.scan("t", cursor=scan.cursor)
        assert [item.key for item in again] == [b"2", b"3", b"4", b"5"]
        assert again.is_over
        assert [len(page.items) for page in client.scan("t").pages()] == [2, 2, 2]

    async def async_calls(client: AsyncClient) -> None:
        assert [item.value async for item in client.scan("t", values=True)] == [b"v"] * 6
        assert [len(page.items) async for page in client.scan("t").pages()] == [2, 2, 2]

    by_threads(handler, calls)
    by_asyncio(handler, async_calls)


def test_a_task_that_is_cancelled_gives_its_lane_back() -> None:
    ids: list[str] = []

    async def handler(request: httpx.Request) -> httpx.Response:
        ids.append(request.headers["idempotency-key"])
        if len(ids) == 1:
            await asyncio.sleep(60)
        return httpx.Response(200, json=WRITTEN)

    async def calls(client: AsyncClient) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.put("t", "k", b"1"), 0.05)
        await client.put("t", "k", b"2")

    by_asyncio(handler, calls)  # type: ignore[arg-type]
    first, second = (text.rsplit(":", 1) for text in ids)
    assert (first[0], first[1], second[1]) == (second[0], "1", "2")


def test_both_clients_have_the_same_methods_with_the_same_words() -> None:
    def public(kind: type) -> dict[str, tuple[str | None, str]]:
        methods = {name: member for name, member in vars(kind).items() if not name.startswith("_")}
        return {
            name.removeprefix("a") if name == "aclose" else name: (
                inspect.getdoc(member),
                str(inspect.signature(member)),
            )
            for name, member in methods.items()
        }

    assert public(Client) == public(AsyncClient)
    assert "Machine" not in str(public(Client))


def test_after_a_fork_a_client_refuses_to_go_on() -> None:
    with Client("a", transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        child = os.fork()
        if child == 0:
            try:
                client.get("t", "k")
            except RuntimeError:
                os._exit(7)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 7


def options(endpoints: str | None = None, environment: dict[str, str] | None = None, **how: Any) -> Options:
    given = {"token": None, "token_file": None, "ca": None, "cert": None, "insecure": False, **how}
    return Options.of(endpoints, **given, environment=environment or {})


def test_endpoints_are_read_as_people_write_them() -> None:
    read = options("127.0.0.1:7410, node-1, http://localhost:80/,[::1]:7400,[::1]").endpoints
    assert [str(endpoint).removeprefix("http://") for endpoint in read] == [
        "127.0.0.1:7410",
        "node-1:7400",
        "localhost:80",
        "[::1]:7400",
    ]
    assert str(options().endpoints[0]) == "http://127.0.0.1:7400"
    assert str(options(environment={"QUORATE_ENDPOINTS": "n1:1,n2"}).endpoints[1]) == "http://n2:7400"
    for wrong in (
        "",
        " , ",
        "a b",
        "a:0",
        "a:70000",
        "ftp://a",
        "http://a/path",
        "http://u:p@a",
        "[x]",
        "http://a,https://b",
    ):
        with pytest.raises(ValueError, match=r"endpoint|https"):
            options(wrong)


def test_a_bearer_token_is_not_sent_in_the_clear_unless_told_to() -> None:
    with pytest.raises(ValueError, match="insecure"):
        options("10.0.0.1", token="secret")
    assert options("10.0.0.1", token="secret", insecure=True).token == "secret"
    assert options("https://10.0.0.1", token="secret").headers["authorization"] == "Bearer secret"
    near = options("localhost,127.0.0.1,[::1]", environment={"QUORATE_TOKEN": "secret"})
    assert near.token == "secret"
    assert [near.may_name(endpoint) for endpoint in options("10.0.0.1,127.0.0.2").endpoints] == [False, True]
    assert "secret" not in repr(near)
    for wrong in ("", "two words", "line\nbreak", "grüße"):
        with pytest.raises(ValueError, match="bearer token") as told:
            options(token=wrong)
        assert not wrong or wrong not in str(told.value)


def test_a_client_trusts_the_authority_it_was_given_alone(tmp_path: Path) -> None:
    assert options().tls is None
    context = options("https://a").tls
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    with pytest.raises(ssl.SSLError):
        options("a", ca=write(tmp_path / "ca.pem", "no certificate"))
    with pytest.raises(ValueError, match="https"):
        options("http://a", ca=tmp_path / "ca.pem")


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_what_can_not_be_a_request_is_refused_here() -> None:
    def none(request: httpx.Request) -> httpx.Response:
        raise AssertionError(json.dumps(str(request.url)))

    def calls(client: Client) -> None:
        wrong: list[Callable[[], object]] = [
            lambda: client.get("t", ""),
            lambda: client.get("../t", "k"),
            lambda: client.get("t", "k", timeout=0),
            lambda: client.put("t", "k", b"v", ttl=0),
            lambda: client.put("t", "k", b"v", retry=True),
            lambda: client.put("t", "k", b"v", idempotency_key="no number"),
            lambda: client.put("t", "k", "text"),  # type: ignore[arg-type]
        ]
        for call in wrong:
            with pytest.raises((ValueError, TypeError)):
                call()

    by_threads(none, calls)
