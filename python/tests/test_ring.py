"""Who owns a key, and when that is asked for anew."""

from __future__ import annotations

from typing import Any

import pytest
from network import REFUSED, Network, Said, problem, said

from quorate import _ring
from quorate._machine import Request
from quorate._ring import Map, token


# The vectors of the server: model/src/token.rs.
@pytest.mark.parametrize(
    ("key", "position"),
    [
        (b"", 0xFF6B_85EC_DCBB_1C08),
        (b"a", 0x4681_852E_40BC_DD3A),
        (b"user-17", 0x9432_BE5F_4058_5227),
        (b"\0\xff\r\n", 0xE941_3592_A133_BAC6),
        (b"q" * 300, 0x13F7_2358_8951_332D),
    ],
)
def test_tokens_are_those_of_the_server(key: bytes, position: int) -> None:
    assert token(key) == position


def shard(start: Any, owners: list[str], following: list[str] | None = None) -> dict[str, Any]:
    return {"start": start, "owners": owners, "next": following or []}


def test_a_key_is_looked_up_by_its_token_or_by_itself() -> None:
    by_token = Map.of({"epoch": 3, "shards": [shard("8000000000000000", ["n2"]), shard("0000000000000000", ["n1"])]})
    assert [by_token.owners_of(key) for key in (b"a", b"user-17")] == [("n1",), ("n2",)]
    by_key = Map.of({"epoch": 3, "shards": [shard({"key": ""}, ["n1"]), shard({"key_b64": "bQ"}, ["n2"])]})
    assert [by_key.owners_of(key) for key in (b"a", b"m", b"\xff")] == [("n1",), ("n2",), ("n2",)]


def test_while_a_shard_moves_owners_of_both_sets_come_first() -> None:
    moving = Map.of({"epoch": 3, "shards": [shard({"key": ""}, ["n1", "n2"], ["n2", "n3"])]})
    assert moving.owners_of(b"k") == ("n2", "n1", "n3")


class Cluster:
    """Three nodes, of which each owns a third of a range table; `a` alone was named to the client."""

    def __init__(self, says_addresses: bool = True) -> None:
        self.epoch = 7
        self.owners = ["a", "b", "c"]
        self.says_addresses = says_addresses
        self.network = Network(**dict.fromkeys("abc", self.say))

    def say(self, request: Request) -> Said:
        path = request.target.split("?")[0]
        epoch = {"quorate_epoch": str(self.epoch)}
        if path == "/v1/cluster/ring":
            nodes = [{"node": name} | self.address(name, self.says_addresses) for name in "abc"]
            bounds = [{"key": ""}, {"key": "k"}, {"key": "s"}]
            shards = [shard(start, [owner]) for start, owner in zip(bounds, self.owners, strict=True)]
            return said(200, {"epoch": self.epoch, "nodes": nodes, "shards": shards}, 0.001, **epoch)
        if path == "/v1/cluster/nodes":
            return said(200, {"nodes": [{"id": name} | self.address(name, True) for name in "abc"]}, 0.001, **epoch)
        return said(200, b"v", 0.001, **epoch)

    @staticmethod
    def address(name: str, is_said: bool) -> dict[str, str]:
        return {"address": f"{name}:7400"} if is_said else {}

    def asked_for(self, what: str) -> list[str]:
        return [seen.node for seen in self.network.seen if what in seen.path]


@pytest.mark.parametrize("says_addresses", [True, False])
def test_an_owner_is_asked_by_a_map_that_is_made_once_in_an_epoch(says_addresses: bool) -> None:
    cluster = Cluster(says_addresses)
    operations = cluster.network.operations(asks_owners=True, given=1)
    for key in ["b", "l", "t", "c", "m", "u"]:
        cluster.network.run(operations.get("t", key))
    assert cluster.asked_for("/keys/") == ["a", "b", "c", "a", "b", "c"]
    assert len(cluster.asked_for("/ring")) == 1
    assert len(cluster.asked_for("/cluster/nodes")) == (0 if says_addresses else 1)
    # The shard of b has moved to c: the answer says that there is a later epoch.
    cluster.epoch, cluster.owners = 8, ["a", "c", "c"]
    cluster.network.now += 5
    for _ in range(3):
        cluster.network.run(operations.get("t", "l"))
    assert cluster.asked_for("/keys/")[6:] == ["b", "c", "c"]
    assert len(cluster.asked_for("/ring")) == 2


def test_however_fast_epochs_follow_each_other_maps_are_made_once_a_second() -> None:
    cluster = Cluster()
    operations = cluster.network.operations(asks_owners=True, given=1)
    for _ in range(500):
        cluster.epoch += 1
        cluster.network.now += 0.009
        cluster.network.run(operations.get("t", "b"))
    assert 4 <= len(cluster.asked_for("/ring")) <= 7


def test_an_owner_that_is_dead_or_not_there_costs_no_answer() -> None:
    cluster = Cluster()
    operations = cluster.network.operations(asks_owners=True, given=1)
    cluster.network.run(operations.get("t", "b"))
    cluster.network.nodes["b"] = REFUSED
    for _ in range(10):
        assert cluster.network.run(operations.get("t", "l")).value == b"v"
    assert cluster.asked_for("/keys/").count("b") == 1


def test_without_a_map_nodes_are_asked_in_turn_and_the_map_seldom() -> None:
    cluster = Cluster()

    def no_ring(request: Request) -> Said:
        return problem(400, "bad-request") if "/ring" in request.target else cluster.say(request)

    network = Network(a=no_ring, b=no_ring, c=no_ring)
    operations = network.operations(asks_owners=True)
    for _ in range(300):
        network.now += 0.1
        network.run(operations.get("t", "b"))
    asked = [seen.node for seen in network.seen if "/keys/" in seen.path]
    assert all(90 <= asked.count(name) <= 110 for name in "abc")
    assert len(network.seen) - 300 <= 6


def test_without_the_hash_a_hash_table_has_no_owners_and_is_served_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_ring, "xxhash", None)
    assert token(b"a") is None
    assert Map.of({"epoch": 1, "shards": [shard("0" * 16, ["n1"])]}).owners_of(b"a") == ()
