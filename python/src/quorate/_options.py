"""What a client is told, checked: where to ask, who it is, whom it trusts."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from quorate._endpoint import DEFAULT_PORT, Endpoint

_TOKEN = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Options:
    """How nodes are reached."""

    endpoints: tuple[Endpoint, ...]
    token: str | None = field(repr=False)
    """The bearer token."""
    tls: ssl.SSLContext | None
    insecure: bool

    @classmethod
    def of(
        cls,
        endpoints: str | Sequence[str] | None,
        token: str | None,
        token_file: str | os.PathLike[str] | None,
        ca: str | os.PathLike[str] | None,
        cert: tuple[str, str] | str | None,
        insecure: bool,
        environment: Mapping[str, str] = os.environ,
    ) -> Options:
        """Check what was given, and take the rest from the environment."""
        if endpoints is None:
            endpoints = environment.get("QUORATE_ENDPOINTS") or f"127.0.0.1:{DEFAULT_PORT}"
        if isinstance(endpoints, str):
            endpoints = [text for text in map(str.strip, endpoints.split(",")) if text]
        scheme = "https" if ca or cert else "http"
        read = tuple(dict.fromkeys(Endpoint.parse(text, scheme) for text in endpoints))
        if not read:
            raise ValueError("a client needs at least one endpoint: give host:port")
        if len({endpoint.scheme for endpoint in read}) > 1:
            raise ValueError("endpoints are all of https or all of http")
        if (ca or cert) and read[0].scheme == "http":
            raise ValueError("certificates are of no use over http: name the endpoints with https://")
        bearer = _token(token, token_file, environment)
        for endpoint in read:
            if bearer is not None and not insecure and not endpoint.keeps_secrets:
                raise ValueError(
                    f"the bearer token could be read on its way to {endpoint}: use https, or say insecure=True"
                )
        return cls(read, bearer, _tls(ca, cert) if read[0].scheme == "https" else None, insecure)

    def may_name(self, endpoint: Endpoint) -> bool:
        """Whether what the cluster names as a member's address may be asked, too."""
        return self.token is None or self.insecure or endpoint.keeps_secrets

    @property
    def headers(self) -> dict[str, str]:
        """Return what goes with every request."""
        headers = {"accept": "*/*", "accept-encoding": "identity", "user-agent": "quorate-python/0.1.0"}
        return headers | ({"authorization": f"Bearer {self.token}"} if self.token else {})


def _token(token: str | None, token_file: str | os.PathLike[str] | None, environment: Mapping[str, str]) -> str | None:
    if token is not None and token_file is not None:
        raise ValueError("give either token or token_file")
    if token is None and token_file is None:
        token = environment.get("QUORATE_TOKEN") or None
        token_file = environment.get("QUORATE_TOKEN_FILE") or None
    if token is None and token_file is not None:
        token = Path(token_file).read_text(encoding="ascii").strip()
    if token is not None and not _TOKEN.fullmatch(token):
        raise ValueError("a bearer token is visible ASCII characters, without blanks")  # and is not repeated here
    return token


def _tls(ca: str | os.PathLike[str] | None, cert: tuple[str, str] | str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=os.fspath(ca) if ca else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert is not None:
        chain, key = (cert, None) if isinstance(cert, str) else cert
        context.load_cert_chain(chain, key)
    return context
