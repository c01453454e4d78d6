"""Against a server that speaks TLS, with certificates that are made here."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from quorate import AsyncClient, Client, Unavailable

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make certificates with")


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """Make a certificate that is its own authority, for localhost."""
    cert, key = str(folder / f"{name}.pem"), str(folder / f"{name}.key")
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    command = ["openssl", "req", "-x509", *kind, *subject, "-out", cert, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    return cert, key


class Node(BaseHTTPRequestHandler):
    """Answers with the name in the client's certificate."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        peer: Any = self.connection.getpeercert()
        body = dict(part[0] for part in peer["subject"])["commonName"].encode() if peer else b""
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def node(tmp_path: Path) -> Iterator[str]:
    server_cert, server_key = certificate(tmp_path, "node")
    client_cert, _ = certificate(tmp_path, "client")
    certificate(tmp_path, "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server_cert, server_key)
    context.load_verify_locations(client_cert)
    context.verify_mode = ssl.CERT_OPTIONAL
    server = HTTPServer(("127.0.0.1", 0), Node)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    yield f"localhost:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_node_is_known_by_its_authority_and_a_client_by_its_certificate(node: str, tmp_path: Path) -> None:
    own = (str(tmp_path / "client.pem"), str(tmp_path / "client.key"))
    with Client(node, ca=tmp_path / "node.pem", cert=own, routing="any") as client:
        assert client.get("t", "k").value == b"client"
    with Client(node, ca=tmp_path / "node.pem", token="secret", routing="any") as client:
        assert client.get("t", "k").value == b""


def test_what_another_authority_has_signed_is_sent_nothing(node: str, tmp_path: Path) -> None:
    with (
        Client(node, ca=tmp_path / "stranger.pem", routing="any", timeout=0.3) as client,
        pytest.raises(Unavailable, match="certificate verify failed"),
    ):
        client.get("t", "k")


def test_the_same_by_asyncio(node: str, tmp_path: Path) -> None:
    async def run() -> bytes:
        async with AsyncClient(node, ca=tmp_path / "node.pem", routing="any") as client:
            return (await client.get("t", "k")).value

    assert asyncio.run(run()) == b""
