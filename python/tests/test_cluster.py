"""Against real nodes, of which one is killed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter

import pytest
from conftest import Dev, until

from quorate import AsyncClient, Client, Delete, NotFound, Put, QuorateError

WRITERS, WRITES_MIN = 4, 40
"""Writers, and how many writes each does at least before a node is killed, and after."""


def test_keys_and_values_of_any_bytes(dev: Dev) -> None:
    keys = [b"k", b"a/b", b"..", b"a/../b", b".", b"%2e", b"\xff\r\n", b"\0", "grüße".encode(), b"a?b#c", b"%25", b"//"]
    value = bytes(range(256))
    with Client(dev.endpoints) as client:
        for key in keys:
            client.put("demo", key, value + key)
            assert client.get("demo", key).value == value + key
            assert client.locate("demo", key).key == key
        assert [found.value for found in client.mget("demo", keys)] == [value + key for key in keys]
        client.batch("demo", [Delete(key) for key in keys])
        for key in keys:
            with pytest.raises(NotFound) as told:
                client.get("demo", key)
            assert told.value.meta.version is not None, "a deleted key has the version of its tombstone"


def test_answers_say_what_they_are_worth(dev: Dev) -> None:
    with Client(dev.endpoints) as client:
        made = client.put("demo", "worth", b"v", content_type="text/plain")
        read = client.get("demo", "worth")
        assert made.version == read.version
        assert (made.consistency, made.n, made.replayed) == ("linearizable", 3, False)
        assert read.content_type == "text/plain"
        assert read.meta.consistency is not None
        assert (read.meta.consistency.guarantee, read.meta.consistency.counts["r"]) == ("linearizable", 2)
        again = client.put(
            "demo", "worth", b"v", content_type="text/plain", idempotency_key=made.idempotency_key, retry=True
        )
        assert (again.replayed, again.version) == (True, made.version)
        short = client.put("demo", "short", b"v", ttl=60)
        expires = client.get("demo", "short").meta.expires
        assert short.version.number == 1
        assert expires is not None
        low = client.put("demo", "worth", b"w", w="one")
        assert (low.consistency, low.required, low.idempotency_key) == ("eventual", 1, None)
        below = client.batch("demo", [Put("worth", b"x")], w=1)
        assert [made.error for made in below] == [None]
        explained = client.explain("demo", "worth")
        assert len(explained.replicas) == 3
        cluster = client.cluster()
        assert (cluster.nodes, len(client.nodes())) == (3, 3)


def test_tables_and_scans(dev: Dev) -> None:
    with Client(dev.endpoints) as client:
        made = client.create_table("log", sharding="range", split_at=["m", b"\xff"], ttl=600)
        assert (made.shards, client.alter_table("log", ttl="none").ttl) == (3, None)
        keys = [f"{letter}{number:02}" for letter in "aw" for number in range(40)]
        client.batch("log", [Put(key, key.encode()) for key in keys])
        read = list(client.scan("log", values=True, page_size=7))
        assert [(item.key.decode(), item.value) for item in read] == [(key, key.encode()) for key in keys]
        back = client.scan("log", start="a10", end="w", reverse=True, page_size=4)
        first = [next(back).key for _ in range(4)]
        assert first == [b"a39", b"a38", b"a37", b"a36"]
        rest = client.scan("log", start="a10", end="w", reverse=True, cursor=back.cursor)
        assert len(list(rest)) == 26
        assert (client.count("log", prefix="a"), client.count("log")) == (40, 80)
        assert "log" in [table.name for table in client.tables()]
        client.drop_table("log", id=made.id)
        with pytest.raises(NotFound) as told:
            client.table("log")
        assert told.value.code == "no-such-table"


@pytest.mark.parametrize("sharding", ["hash", "range"])
def test_each_request_goes_to_an_owner_also_after_its_shard_has_moved(dev: Dev, sharding: str) -> None:
    name = f"own-{sharding}"
    with Client(dev.endpoints[:1]) as client, Client(dev.endpoints[:1], routing="any") as other:
        if sharding == "hash":
            client.create_table(name, n=1, shards=8)
        else:
            client.create_table(name, n=1, sharding="range", split_at=["k4"])
        for number in range(24):
            key = f"k{number % 10}{number}"
            owner = other.locate(name, key).owners[0].name
            assert client.put(name, key, b"v").meta.coordinator == owner
            assert client.get(name, key).meta.coordinator == owner
        moved = client.locate(name, "k00")
        names = [node.id for node in client.nodes() if node.id != moved.owners[0].node]
        shard = moved.shard.rsplit("/", 1)[1]
        dev.command("shard", "move", name, shard, "--from", moved.owners[0].node, "--to", names[0])
        until("the new owner is asked", lambda: client.get(name, "k00").meta.coordinator == names[0])
        client.drop_table(name)


class Writers:
    """Threads that each count up a key of their own, until they are told to end."""

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._is_over = threading.Event()
        self.acknowledged: Counter[str] = Counter()
        self.errors: list[QuorateError] = []
        self._keys = [f"{prefix}-{number}" for number in range(WRITERS)]
        self._threads = [threading.Thread(target=self._write, args=(key,)) for key in self._keys]
        for thread in self._threads:
            thread.start()

    def _write(self, key: str) -> None:
        while not self._is_over.is_set():
            value = self.acknowledged[key] + 1
            try:
                self._client.put("demo", key, str(value).encode())
                self.acknowledged[key] = value
                assert self._client.get("demo", key).value == str(value).encode()
            except QuorateError as error:
                self.errors.append(error)
                return

    def goes_on(self) -> None:
        """Wait until each writer has done some more, or one has failed."""
        before = Counter(self.acknowledged)
        until(
            "each writer goes on",
            lambda: bool(self.errors) or all(self.acknowledged[k] - before[k] >= WRITES_MIN for k in self._keys),
        )

    def end(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize("routing", ["owner", "any"])
def test_a_killed_node_fails_no_request_and_loses_no_write(dev: Dev, routing: str) -> None:
    with Client(dev.endpoints, routing=routing, hedge="p95") as client:  # type: ignore[arg-type]
        writers = Writers(client, f"kill-{routing}")
        try:
            writers.goes_on()
            dev.disturb("kill", "n2")
            writers.goes_on()
            dev.disturb("start", "n2")
            writers.goes_on()
        finally:
            writers.end()
    assert writers.errors == []
    with Client(dev.endpoints) as client:
        until("all is well", lambda: client.cluster().healthy)
        for key, value in writers.acknowledged.items():
            assert client.get("demo", key).value == str(value).encode()


def test_the_same_by_asyncio(dev: Dev) -> None:
    acknowledged: Counter[str] = Counter()

    async def write(client: AsyncClient, key: str, until_all: int) -> None:
        while min(acknowledged[f"async-{n}"] for n in range(WRITERS)) < until_all:
            value = acknowledged[key] + 1
            await client.put("demo", key, str(value).encode())
            acknowledged[key] = value
            assert (await client.get("demo", key)).value == str(value).encode()

    async def run() -> None:
        async with AsyncClient(dev.endpoints, hedge=0.05) as client:
            for act in (None, "kill", "start"):
                until_all = min(acknowledged[f"async-{n}"] for n in range(WRITERS)) + WRITES_MIN
                tasks = [asyncio.create_task(write(client, f"async-{n}", until_all)) for n in range(WRITERS)]
                if act:
                    await asyncio.to_thread(dev.disturb, act, "n3")
                await asyncio.gather(*tasks)

    asyncio.run(run())
    with Client(dev.endpoints) as client:
        until("all is well", lambda: client.cluster().healthy)
        for key, value in acknowledged.items():
            assert client.get("demo", key).value == str(value).encode()


def test_where_no_quorum_is_left_a_write_is_not_applied_and_the_deadline_is_kept(dev: Dev) -> None:
    with Client(dev.endpoints, timeout=1.5) as client:
        client.put("demo", "quorum", b"before")
        for node in ("n2", "n3"):
            dev.disturb("kill", node)
        try:
            begun = time.monotonic()
            with pytest.raises(QuorateError):
                client.put("demo", "quorum", b"lost")
            assert time.monotonic() - begun < 3
        finally:
            for node in ("n2", "n3"):
                dev.disturb("start", node)
        until("all is well", lambda: client.cluster().healthy)
        assert client.get("demo", "quorum").value in (b"before", b"lost")
