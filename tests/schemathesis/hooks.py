"""What OpenAPI can't say about Quorate's requests.

A schema describes each parameter by itself. Some of them constrain each other or depend on the cluster at hand: a
level is at most the table's `n`, `consistency` beside `r` or `w` must be equal, `retry=true` needs an
`Idempotency-Key`, a batch names a key once, a count has no bytes. A request that is meant to be valid is made so here, so that it reaches
the code behind the parsers and its refusal would be a finding. Requests that are meant to be invalid go out untouched.
"""

import base64
import re

import schemathesis

TABLE = "demo"
NAMES = ("one", "quorum", "all")


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    path, method = case.operation.path, case.operation.method.upper()
    of_path, query = case.path_parameters or {}, case.query or {}
    if (method, path) == ("DELETE", "/v1/tables/{table}"):
        # The one table that everything else needs stays.
        if of_path["table"] == TABLE:
            of_path["table"] = "none"
    elif "table" in of_path and not is_chained(case):
        of_path["table"] = TABLE
    if "node" in of_path:
        of_path["node"] = "n1"
    if "table" in query:
        query["table"] = TABLE
    levels(query, case)
    if "key" in of_path:
        # At most 2 KiB in bytes, of which a character takes up to four.
        of_path["key"] = of_path["key"][:512]
    if query.get("enc") == "b64":
        key = of_path["key"].encode("utf-8", "surrogatepass")
        of_path["key"] = base64.urlsafe_b64encode(key).rstrip(b"=").decode()
    if query.get("count") == "true":
        # A count has no pages.
        query.pop("bytes", None)
    if "durability" in query:
        # The table promises no less.
        query["durability"] = "sync"
    if "timeout" in query:
        query["timeout"] = "5s"
    if query.get("sum") == "true":
        # Of a hash table all of it, or a part, adds up to something.
        for name in ("prefix", "start", "end", "enc", "limit", "bytes", "reverse", "values", "count", "cursor"):
            query.pop(name, None)
    if (method, path) == ("PATCH", "/v1/access") and isinstance(case.body, dict):
        # Nothing else here says who asks.
        case.body["enabled"] = False
    if (method, path) == ("PUT", "/v1/access/roles/{role}") and isinstance(case.body, dict):
        for grant in case.body["grants"]:
            granted(grant)
    if path.endswith("/batch") and isinstance(case.body, dict):
        case.body["items"] = distinct(case.body["items"])
    if (method, path) in (("POST", "/v1/tables"), ("PATCH", "/v1/tables/{table}")) and isinstance(case.body, dict):
        table(case.body)


def levels(query, case):
    """A level of a table of three copies, said once."""
    sides = [name for name in ("r", "w") if name in query]
    if sides:
        query.pop("consistency", None)
    for name in ("consistency", "r", "w"):
        if name in query and query[name] not in (*NAMES, "1", "2", "3"):
            query[name] = "quorum"
    if has_operation(case):
        # An operation id needs the table's own level.
        for name in ("consistency", "w"):
            query.pop(name, None)
    elif query.get("retry") == "true":
        query.pop("retry")


def is_chained(case):
    """Whether its parameters come from an earlier answer of the cluster."""
    return case.meta.phase.name.value == "stateful"


def has_operation(case):
    """Whether it has an operation id. One that does not fit its own pattern (the generator makes some) is mended."""
    for name, value in (case.headers or {}).items():
        if name.lower() == "idempotency-key":
            if not re.fullmatch(r"[!-~]{1,64}:[0-9]{1,19}", value):
                case.headers[name] = "client:1"
            return True
    return False


def distinct(items):
    """The items whose keys come for the first time, as bytes."""
    seen, kept = set(), []
    for item in items:
        named = item.get("put") or item.get("delete")
        key = named.get("key", "").encode("utf-8", "surrogatepass")
        if "key_b64" in named:
            text = named["key_b64"].rstrip("=")
            key = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept


def granted(grant):
    """A permission where it has a meaning: on everything, on the table, or on a prefix of its keys."""
    prefixes = [name for name in ("prefix", "prefix_b64") if grant.get(name)]
    for name in ("prefix", "prefix_b64"):
        if name not in prefixes[:1]:
            grant.pop(name, None)
    if prefixes and len(grant[prefixes[0]]) > 64:
        grant[prefixes[0]] = "ZXU"
    if prefixes or grant.get("table") is not None:
        grant["table"] = TABLE
        grant["permission"] = "read"


def table(wanted):
    """A table that three nodes can hold."""
    if wanted.get("n") is not None:
        wanted["n"] = 3
    for name in ("r", "w"):
        if name in wanted and wanted[name] not in (*NAMES, None):
            wanted[name] = "quorum"
    if wanted.get("shards") is not None:
        # Hundreds of tables are made: small ones.
        wanted["shards"] = 8
