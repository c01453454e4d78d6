"""Store, read and delete a key, and see what each answer is worth.

Run it beside `scripts/dev`; QUORATE_ENDPOINTS says where the nodes are, if they are not where that puts them.
"""

from quorate import Client, NotFound

with Client() as client:
    written = client.put("demo", "greeting", b"hello", content_type="text/plain")
    print(f"stored as version {written.version.number}: {written.acks} of {written.n} owners hold it")

    read = client.get("demo", "greeting")
    assert read.meta.consistency is not None
    print(f"{read.value.decode()} ({read.meta.consistency.guarantee}, from {read.meta.coordinator})")

    # One owner is enough where an old answer does no harm; it says what it is worth.
    try:
        promise = client.get("demo", "greeting", consistency="one").meta.consistency
    except NotFound as absent:  # that owner has not heard of the value yet
        promise = absent.meta.consistency
    assert promise is not None
    print(f"with one owner: {promise.guarantee}")

    client.delete("demo", "greeting")
    try:
        client.get("demo", "greeting")
    except NotFound as absent:
        print(f"gone, by version {absent.meta.version.number if absent.meta.version else '?'}")
