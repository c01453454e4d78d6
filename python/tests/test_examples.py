"""The examples, as they are, against real nodes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Dev, environment

EXAMPLES = Path(__file__).parent.parent / "examples"

SAID = {
    "quickstart.py": [
        "stored as version",
        "hello (linearizable, from n",
        "with one owner: eventual",
        "gone, by version",
    ],
    "unknown_outcome.py": ["paid, as version", "the same write again: replayed=True"],
    "listing.py": ["72 stored, 0 failed", "after ten: sensor-2/10 ..", "72 read at once, 24 of sensor 3"],
}


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAID)


@pytest.mark.parametrize("name", list(SAID))
def test_an_example_does_what_it_says(dev: Dev, name: str) -> None:
    around = environment() | {"QUORATE_ENDPOINTS": ",".join(dev.endpoints)}
    for _ in range(2):
        command = [sys.executable, str(EXAMPLES / name)]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, env=around)
        assert ran.returncode == 0, ran.stderr
        lines = ran.stdout.splitlines()
        assert len(lines) == len(SAID[name])
        for line, start in zip(lines, SAID[name], strict=True):
            assert line.startswith(start), ran.stdout
