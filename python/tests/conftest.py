"""A real cluster for those tests that want one: `quorate dev`, of the binary that QUORATE_BINARY names."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PATIENCE_SECONDS = 60.0
"""How long a condition is waited for."""


class Dev:
    """A cluster of three nodes."""

    def __init__(self, binary: str, folder: str) -> None:
        self._binary = binary
        self._errors = Path(folder, "stderr").open("wb")  # noqa: SIM115  as long as the process
        self._process = subprocess.Popen(
            [binary, "--output", "jsonl", "dev", "--port", "0", "--data", f"{folder}/data"],
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(),
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, Path(folder, "stderr").read_text()
        self._ready = json.loads(line)
        self.endpoints: list[str] = [node["http"] for node in self._ready["nodes"]]

    def command(self, *arguments: str) -> str:
        """Run a command against its first node."""
        command = [self._binary, "--endpoint", self.endpoints[0], *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, env=environment()).stdout

    def disturb(self, act: str, node: str) -> None:
        """Kill, start, cut or heal a node."""
        command = [self._binary, "--endpoint", self._ready["control"], "dev", act, node]
        subprocess.run(command, check=True, capture_output=True, env=environment())

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(PATIENCE_SECONDS)
        self._errors.close()


def environment() -> dict[str, str]:
    """Return this environment without settings of Quorate."""
    return {name: value for name, value in os.environ.items() if not name.startswith("QUORATE_")}


def until(what: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def dev() -> Iterator[Dev]:
    """Three nodes for all tests of a run; a test that kills one brings it back."""
    binary = os.environ.get("QUORATE_BINARY")
    if not binary:
        pytest.skip("QUORATE_BINARY does not name a quorate binary")
    with tempfile.TemporaryDirectory() as folder:
        cluster = Dev(binary, folder)
        try:
            yield cluster
        finally:
            cluster.stop()
