"""One attempt over HTTP: how httpx is set up, and what its errors mean."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from typing import TypedDict

import httpx

from quorate._endpoint import Endpoint
from quorate._machine import Answer, Failure, Send
from quorate._options import Options

ANSWER_BYTES_MAX = 64 << 20
"""Largest body that is taken: a value of the hard limit, or a full page of values, with room for JSON."""

CONNECT_SECONDS_MAX = 2.0
"""Longest wait for a connection: a node that is there accepts at once."""

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Errors after which certainly nothing was sent."""


class Settings(TypedDict):
    """What both kinds of httpx's client are made with."""

    trust_env: bool
    follow_redirects: bool
    headers: dict[str, str]
    verify: ssl.SSLContext | bool
    limits: httpx.Limits


def settings(options: Options) -> Settings:
    """Return them: no proxies and no redirects, since a request goes where it was sent."""
    return {
        "trust_env": False,
        "follow_redirects": False,
        "headers": options.headers,
        # Over plain HTTP nothing is verified, and httpx loads no certificates.
        "verify": options.tls if options.tls is not None else False,
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30.0),
    }


def request_of(build: Callable[..., httpx.Request], send: Send) -> httpx.Request:
    """Return the request of an attempt."""
    timeout = httpx.Timeout(send.timeout, connect=min(CONNECT_SECONDS_MAX, send.timeout))
    return build(
        send.request.method,
        f"{send.endpoint}{send.request.target}",
        headers=list(send.request.headers),
        content=send.request.body,
        timeout=timeout,
    )


def failed(endpoint: Endpoint, error: Exception, status: int | None) -> Failure:
    """Return what an error of httpx means."""
    cause = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException | TimeoutError) and not isinstance(error, NOT_SENT):
        cause = "nothing came in time"
    return Failure(endpoint, cause, is_sent=not isinstance(error, NOT_SENT), status=status)


def answered(endpoint: Endpoint, response: httpx.Response, chunks: Sequence[bytes]) -> Answer:
    """Return a whole answer."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Answer(endpoint, response.status_code, headers, b"".join(chunks))


def too_large(endpoint: Endpoint, status: int) -> Failure:
    """Return what an answer is that has no end."""
    return Failure(endpoint, f"its answer has more than {ANSWER_BYTES_MAX} bytes", is_sent=True, status=status)
