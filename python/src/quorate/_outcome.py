"""What a request can do to the data, and what became of it."""

from __future__ import annotations

from enum import Enum


class Outcome(str, Enum):
    """What became of a request that has no good answer."""

    APPLIED = "applied"
    """It took effect, although the answer could not be used."""
    NOT_APPLIED = "not_applied"
    """It had no effect and never will. Reads are always this."""
    UNKNOWN = "unknown"
    """It may have taken effect, or may yet, at most once."""


class Effect(Enum):
    """Whether a request can change data: what may be repeated depends on nothing else."""

    READ = "read"
    WRITE = "write"
