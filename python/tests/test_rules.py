"""What is sent again, where, when and under which id; and what the caller is told."""

from __future__ import annotations

import json

import pytest
from network import BROKEN, REFUSED, SILENT, WRITTEN, Network, Said, problem, said, written

from quorate import (
    Applied,
    BadRequest,
    Conflict,
    Delete,
    Forbidden,
    NotApplied,
    NotFound,
    NotQuorate,
    Outcome,
    Put,
    QuorateError,
    Unauthorized,
    Unavailable,
    Unknown,
)
from quorate._machine import Request

UNCLEAR = [
    BROKEN,
    SILENT,
    problem(504, "write-timeout", "unknown"),
    problem(500, "internal"),
    problem(503, "unavailable", "half_applied"),
    said(502, b"<html>Bad gateway</html>"),
]


def put(network: Network, **how: object) -> object:
    return network.run(network.operations(timeout=1.0).put("t", "k", b"v", **how))  # type: ignore[arg-type]


# Writes


@pytest.mark.parametrize("first", [REFUSED, problem(503, "draining", "not_applied"), problem(421, "bad-host")])
def test_a_write_without_effect_goes_elsewhere_as_a_first_attempt(first: Said) -> None:
    network = Network(a=first, b=written())
    operations = network.operations()
    while "a" not in network.asked():
        network.run(operations.put("t", "k", b"v"))
    of_a = network.asked().index("a")
    assert network.asked()[of_a + 1] == "b"
    assert "retry" not in network.seen[of_a + 1].query
    assert network.seen[of_a].id == network.seen[of_a + 1].id
    assert not network.pauses


@pytest.mark.parametrize("first", UNCLEAR)
def test_a_write_of_unknown_outcome_is_a_retry_under_its_own_id(first: Said) -> None:
    network = Network(a=[first, written()])
    put(network)
    once, again = network.seen
    assert once.id is not None
    assert once.id == again.id
    assert ("retry" in once.query, again.query["retry"]) == (False, "true")
    assert once.request.body == again.request.body


@pytest.mark.parametrize("answer", UNCLEAR)
def test_where_it_stays_unknown_the_error_says_so_and_has_the_id(answer: Said) -> None:
    network = Network(a=answer, b=answer)
    with pytest.raises(Unknown) as told:
        put(network)
    assert told.value.outcome is Outcome.UNKNOWN
    assert {seen.id for seen in network.seen} == {told.value.idempotency_key}
    assert len(told.value.attempts) >= 2
    assert network.now <= 101.01, "within the deadline"


def test_what_a_retry_did_not_do_says_nothing_of_the_attempt_before_it() -> None:
    for refusal in (REFUSED, problem(503, "draining", "not_applied"), problem(409, "idempotency-expired", "unknown")):
        network = Network(a=[BROKEN, refusal])
        with pytest.raises(Unknown):
            put(network)
    network = Network(a=problem(409, "idempotency-reused", "not_applied"))
    with pytest.raises(Conflict):
        put(network, idempotency_key="me:1", retry=True)
    assert len(network.seen) == 1


def test_a_write_without_an_id_is_sent_again_only_if_it_had_no_effect() -> None:
    below = problem(400, "invalid-consistency", "not_applied")

    def node(request: Request) -> Said:
        return below if dict(request.headers).get("idempotency-key") else BROKEN

    network = Network(a=node)
    operations = network.operations()
    for _ in range(2):
        with pytest.raises(Unknown) as told:
            network.run(operations.put("t", "k", b"v", w="one"))
        assert told.value.idempotency_key is None
    # The second write knows that this level takes no id.
    assert [seen.id is None for seen in network.seen] == [False, True, True]


def test_a_level_that_is_none_stays_a_bad_request() -> None:
    network = Network(a=problem(400, "invalid-consistency", "not_applied"))
    for level in (None, 9):
        with pytest.raises(BadRequest):
            put(network, w=level)
    assert len(network.seen) == 3, "with a level of its own it is asked once more without an id"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(400, "unknown-parameter"), BadRequest),
        (problem(413, "value-too-large"), BadRequest),
        (problem(401, "unauthenticated"), Unauthorized),
        (problem(403, "forbidden"), Forbidden),
        (problem(404, "no-such-table"), NotFound),
        (problem(409, "versions-exhausted"), Conflict),
        (problem(507, "disk-full", "not_applied"), Unavailable),
        (said(404, b"<html>"), NotQuorate),
        (said(302, b""), NotQuorate),
        (said(200, b"{"), Applied),
    ],
)
def test_what_would_be_refused_again_ends_it_at_once(answer: Said, kind: type[QuorateError]) -> None:
    network = Network(a=answer, b=answer)
    with pytest.raises(kind) as told:
        put(network)
    assert len(network.seen) == 1
    assert told.value.outcome is (Outcome.APPLIED if kind is Applied else Outcome.NOT_APPLIED)
    assert isinstance(told.value, NotApplied) is (kind is not Applied)


def test_the_numbers_of_a_lane_grow_and_writes_in_flight_have_lanes_of_their_own() -> None:
    network = Network(a=written())
    operations = network.operations()
    flying = operations.put("t", "k", b"1")
    next(flying)
    for _ in range(2):
        network.run(operations.put("t", "k", b"2"))
    flying.close()
    network.run(operations.put("t", "k", b"3"))
    ids = [seen.id or "" for seen in network.seen]
    first, second = (client.rsplit(":", 1)[0] for client in (ids[2], ids[0]))
    assert ids == [f"{second}:1", f"{second}:2", f"{first}:2"]
    assert first != second


# Reads


@pytest.mark.parametrize(
    "first",
    [REFUSED, BROKEN, SILENT, problem(504, "read-timeout"), problem(503, "starting"), said(502, b"<html>")],
)
def test_a_read_that_gets_no_answer_goes_elsewhere(first: Said) -> None:
    network = Network(a=first, b=said(200, b"hello", content_type="text/plain"))
    operations = network.operations()
    for _ in range(4):
        read = network.run(operations.get("t", "k"))
        assert (read.value, read.content_type) == (b"hello", "text/plain")
    assert "a" in network.asked()


def test_an_absent_key_is_final_and_says_what_is_known_of_it() -> None:
    absent = problem(
        404, "no-such-key", quorate_version="7-1.0.0", quorate_consistency="linearizable; r=2; n=3; acks=2"
    )
    network = Network(a=absent, b=absent)
    with pytest.raises(NotFound) as told:
        network.run(network.operations().get("t", "k"))
    assert (told.value.code, told.value.meta.version) == ("no-such-key", "7-1.0.0")
    assert told.value.meta.consistency is not None
    assert told.value.meta.consistency.counts["acks"] == 2
    assert len(network.seen) == 1


# When


def test_pauses_grow_are_random_and_end_with_the_deadline() -> None:
    network = Network(a=REFUSED)
    with pytest.raises(Unavailable) as told:
        network.run(network.operations(timeout=5.0).get("t", "k"))
    assert len(network.pauses) >= 5
    assert max(network.pauses) > 4 * network.pauses[0]
    assert network.now <= 105
    assert "connection refused" in str(told.value)
    other = Network(a=REFUSED)
    with pytest.raises(Unavailable):
        other.run(other.operations(seed=4).get("t", "k"))
    assert other.pauses[:3] != network.pauses[:3], "two clients do not come back at once"


def test_retry_after_is_kept_to_and_not_waited_for_in_vain() -> None:
    network = Network(a=[problem(503, "overloaded", "not_applied", retry_after="1"), written()])
    network.run(network.operations().put("t", "k", b"v"))
    (pause,) = network.pauses
    assert 1 <= pause <= 1.25
    network = Network(a=problem(503, "overloaded", "not_applied", retry_after="9"))
    with pytest.raises(Unavailable):
        network.run(network.operations().put("t", "k", b"v"))
    assert (len(network.seen), network.pauses) == (1, [])


def test_one_that_can_answer_is_not_kept_waiting_by_one_that_asks_for_patience() -> None:
    network = Network(a=problem(503, "overloaded", "not_applied", retry_after="1"), b=written())
    operations = network.operations()
    while "a" not in network.asked():
        network.run(operations.put("t", "k", b"v"))
    for _ in range(9):
        network.now += 0.1
        network.run(operations.put("t", "k", b"v"))
    assert not network.pauses
    assert network.asked().count("a") == 1, "it is set aside for the second that it asked for"


def test_no_endpoint_is_given_up_for_what_it_can_not_do() -> None:
    network = Network(a=problem(421, "bad-host"), b=problem(421, "bad-host"))
    with pytest.raises(BadRequest):
        network.run(network.operations().get("t", "k"))
    assert (len(network.seen), network.pauses) == (2, [])


def test_a_silent_node_leaves_time_for_the_others_and_the_server_is_told_less_than_is_waited() -> None:
    network = Network(a=SILENT, b=said(200, b"v"))
    operations = network.operations(timeout=4.0)
    while "a" not in network.asked():
        network.run(operations.get("t", "k"))
    silent = next(seen for seen in network.seen if seen.node == "a")
    assert (silent.timeout, silent.query["timeout"]) == (2.0, "1600ms")


def test_what_stands_behind_one_address_is_asked_again_in_time() -> None:
    network = Network(balancer=[SILENT, SILENT, written()])
    network.run(network.operations(timeout=4.0).put("t", "k", b"v"))
    assert network.now < 104


# Where


def test_requests_go_round() -> None:
    network = Network(a=written(), b=written(), c=written())
    operations = network.operations()
    for _ in range(9):
        network.run(operations.put("t", "k", b"v"))
    assert sorted(network.asked()) == ["a"] * 3 + ["b"] * 3 + ["c"] * 3


def test_a_dead_node_is_set_aside_tried_again_and_taken_back() -> None:
    network = Network(a=REFUSED, b=written())
    operations = network.operations()
    while "a" not in network.asked():
        network.run(operations.put("t", "k", b"v"))
    count = len(network.seen)
    for _ in range(20):
        network.run(operations.put("t", "k", b"v"))
    assert network.asked()[count:] == ["b"] * 20
    tries = []
    for _ in range(600):
        network.now += 0.1
        before = network.asked().count("a")
        network.run(operations.put("t", "k", b"v"))
        if network.asked().count("a") > before:
            tries.append(network.now)
    assert 5 <= len(tries) <= 16, "fewer and fewer in a minute"
    network.nodes["a"] = written()
    network.now += 20
    count = len(network.seen)
    for _ in range(20):
        network.run(operations.put("t", "k", b"v"))
    assert network.asked()[count:].count("a") == 10


# Hedges


def hedging(network: Network, reads: int, **how: object) -> None:
    operations = network.operations(**how)  # type: ignore[arg-type]
    for _ in range(reads):
        network.run(operations.get("t", "k"))


def test_a_slow_read_is_hedged_after_the_delay_and_the_first_answer_counts() -> None:
    network = Network(a=said(200, b"v", after=3.0), b=said(200, b"v"))
    hedging(network, 4, hedge=0.05)
    assert network.now < 100.2
    assert set(network.asked()) == {"a", "b"}


def test_writes_are_never_hedged() -> None:
    network = Network(a=said(200, WRITTEN, after=1.0), b=written())
    operations = network.operations(hedge=0.05)
    for _ in range(4):
        network.run(operations.put("t", "k", b"v"))
    assert len(network.seen) == 4


def test_p95_hedges_few_reads_and_only_once_it_is_known() -> None:
    network = Network(a=said(200, b"v", after=0.010), b=said(200, b"v", after=0.010))
    hedging(network, 400, hedge="p95")
    assert len(network.seen) == 400, "none is slower than the others"
    network.nodes["a"] = said(200, b"v", after=0.3)
    before = network.now
    hedging(network, 100, hedge="p95")
    assert network.now - before > 10, "a client that has not seen enough reads does not know what is slow"
    operations = network.operations(hedge="p95")
    network.nodes["a"] = said(200, b"v", after=0.010)
    for _ in range(64):
        network.run(operations.get("t", "k"))
    network.nodes["a"], before = said(200, b"v", after=3.0), network.now
    for _ in range(20):
        network.run(operations.get("t", "k"))
    assert network.now - before < 1


def test_where_everything_is_slow_hedges_are_bounded() -> None:
    network = Network(a=said(200, b"v", after=0.5), b=said(200, b"v", after=0.5))
    hedging(network, 200, hedge=0.01)
    hedges = len(network.seen) - 200
    assert 40 <= hedges <= 200 * 0.2 + 11


def test_a_node_that_loses_every_race_is_set_aside() -> None:
    network = Network(a=said(200, b"v", after=30.0), b=said(200, b"v"))
    hedging(network, 40, hedge=0.05)
    assert network.asked().count("a") == 3


def test_an_absent_key_settles_a_race() -> None:
    network = Network(a=said(200, b"v", after=3.0), b=problem(404, "no-such-key"))
    operations = network.operations(hedge=0.05)
    for _ in range(2):
        with pytest.raises(NotFound):
            network.run(operations.get("t", "k"))
    assert network.now < 100.2


# Many keys


def result(key: str, status: int, code: str = "", outcome: str | None = None) -> dict[str, object]:
    if status == 200:
        return {"key": key, "status": 200, **WRITTEN}
    error = {"code": code, "status": status, "title": "t", "detail": "d"} | ({"outcome": outcome} if outcome else {})
    return {"key": key, "status": status, "error": error}


def test_items_that_failed_are_repeated_each_as_its_outcome_allows() -> None:
    answers = [
        said(
            200,
            {
                "results": [
                    result("a", 200),
                    result("b", 503, "unavailable", "not_applied"),
                    result("c", 504, "write-timeout", "unknown"),
                    result("d", 400, "invalid-body", "not_applied"),
                ]
            },
        ),
        said(200, {"results": [result("b", 200)]}),
        said(200, {"results": [result("c", 200)]}),
    ]
    network = Network(n=answers)
    items = [Put("a", b"1"), Put("b", b"2"), Delete("c"), Put("d", b"4")]
    results = network.run(network.operations().batch("t", items))
    assert [made.error is None for made in results] == [True, True, True, False]
    assert isinstance(results[3].error, BadRequest)
    sent = [json.loads(seen.request.body or b"")["items"] for seen in network.seen]
    assert [next(iter(item.values()))["key"] for item in sent[1] + sent[2]] == ["b", "c"]
    assert ["retry" in seen.query for seen in network.seen] == [False, False, True]
    ids = [item["idempotency_key"] for item in sent[0]]
    assert (sent[1][0]["idempotency_key"], sent[2][0]["idempotency_key"]) == (ids[1], ids[2])
    assert len(set(ids)) == 4


def test_a_batch_that_was_lost_is_a_retry_and_one_that_stays_lost_says_so_of_each_item() -> None:
    network = Network(n=[BROKEN, said(200, {"results": [result("a", 200)]})])
    (made,) = network.run(network.operations().batch("t", [Put("a", b"1")]))
    assert made.written is not None
    assert [seen.query.get("retry") for seen in network.seen] == [None, "true"]
    network = Network(n=BROKEN)
    lost = network.run(network.operations().batch("t", [Put("a", b"1"), Put("b", b"2")]))
    assert all(isinstance(made.error, Unknown) for made in lost)
    first, second = (made.error.idempotency_key for made in lost if made.error)
    assert first != second
    refusing = Network(n=REFUSED)
    with pytest.raises(Unavailable):
        refusing.run(refusing.operations().batch("t", [Put("a", b"1")]))


def test_keys_that_could_not_be_read_are_asked_again_and_large_ones_alone() -> None:
    first = {"results": [result("a", 503, "unavailable"), {"key": "b", "status": 200, "value": "2"}]}
    second = {"results": [result("a", 413, "value-too-large")]}
    network = Network(n=[said(200, first), said(200, second), said(200, b"long", quorate_version="3-1.0.0")])
    one, other = network.run(network.operations().mget("t", ["a", "b"]))
    assert (one.value, one.version, other.value) == (b"long", "3-1.0.0", b"2")
    assert [seen.path for seen in network.seen][-1] == "/v1/tables/t/keys/a"


# Scans


def page(keys: list[str], cursor: str | None, count: int | None = None) -> Said:
    items = [{"key": key, "version": "1-1.0.0", "size": 1} for key in keys]
    return said(200, {"items": items, "next_cursor": cursor} | ({} if count is None else {"count": count}))


def test_pages_follow_each_other_to_the_end_and_to_the_limit() -> None:
    network = Network(n=[page(["a", "b"], "c1"), page([], "c2"), page(["c"], None)])
    pages = network.operations().scan("t", prefix=b"\xff", page_size=2)
    read = []
    while (got := network.run(pages.next_page())) is not None:
        read += [item.key for item in got.items]
    assert read == [b"a", b"b", b"c"]
    assert [seen.query.get("cursor") for seen in network.seen] == [None, "c1", "c2"]
    assert (network.seen[0].query["prefix"], network.seen[0].query["enc"]) == ("_w", "b64")
    network = Network(n=[page(["a", "b"], "c1")])
    limited = network.operations().scan("t", limit=2)
    assert network.run(limited.next_page()) is not None
    assert network.run(limited.next_page()) is None
    assert len(network.seen) == 1


def test_a_scan_goes_on_after_an_error_where_it_was() -> None:
    network = Network(n=[page(["a"], "c1"), problem(400, "invalid-cursor"), page(["b"], None)])
    pages = network.operations().scan("t")
    network.run(pages.next_page())
    with pytest.raises(BadRequest):
        network.run(pages.next_page())
    assert pages.cursor == "c1"
    last = network.run(pages.next_page())
    assert last is not None
    assert pages.is_over


def test_counts_of_pages_are_added() -> None:
    network = Network(n=[page([], "c1", 7), page([], None, 4)])
    assert network.run(network.operations().count("t", part=(1, 2))) == 11
    assert network.seen[0].query["part"] == "1/2"
