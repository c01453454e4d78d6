"""What to do when it is not known whether a write took effect.

The client has repeated it already, until the deadline. What is left is the application's: to look, or to keep the
operation id, with the write, and to repeat both later, even from another process. They are never applied twice.
"""

from quorate import Client, NotApplied, Unknown, Written


def pay(client: Client, order: str, how: bytes, idempotency_key: str | None = None) -> Written | str:
    """Mark an order as paid: the write that was acknowledged, or the id with which to repeat it later."""
    try:
        is_retry = idempotency_key is not None
        return client.put("demo", f"order/{order}", how, idempotency_key=idempotency_key, retry=is_retry)
    except Unknown as unknown:
        # It may have been stored, or may yet. Keep the id where it survives.
        return unknown.idempotency_key or ""
    except NotApplied as refused:
        # It was certainly not stored: it may be given up, or begun anew.
        raise SystemExit(f"not paid: {refused}") from refused


with Client(timeout=2.0) as client:
    outcome = pay(client, "17", b"paid by card")
    while isinstance(outcome, str):
        outcome = pay(client, "17", b"paid by card", idempotency_key=outcome)
    print(f"paid, as version {outcome.version.number}")

    # The answer got lost on its way to the customer: the same again is recognised.
    again = pay(client, "17", b"paid by card", idempotency_key=outcome.idempotency_key)
    assert isinstance(again, Written)
    print(f"the same write again: replayed={again.replayed}, version {again.version.number}")
