"""What the methods of both clients have in common: they are the operations, with another way to run them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Literal, ParamSpec, TypeAlias, TypeVar

from quorate._engine import Engine
from quorate._hedge import Hedge
from quorate._ids import Lanes
from quorate._operations import Operations
from quorate._options import Options

P = ParamSpec("P")
T = TypeVar("T")

Routing: TypeAlias = Literal["owner", "any"]
"""Whether an owner of the key is asked, or any node."""


def operations(options: Options, timeout: float, admin_timeout: float, routing: Routing, hedge: Hedge) -> Operations:
    """Return the operations of one client."""
    engine = Engine(options.endpoints, hedge=hedge, asks_owners=routing == "owner", may_name=options.may_name)
    return Operations(engine, Lanes(), timeout, admin_timeout)


def documented(method: Callable[P, T], operation: Callable[..., object]) -> Callable[P, T]:
    """Give a method the name and the words of an operation, and say what it returns without its machine."""
    functools.update_wrapper(method, operation)
    signature = inspect.signature(operation)
    returns = str(signature.return_annotation).removeprefix("Machine[").removesuffix("]")
    method.__signature__ = signature.replace(return_annotation=returns)  # type: ignore[attr-defined]
    return method
