"""Scans: the keys of a table in their order, page after page.

A page is asked for when it is wanted, so a caller that takes its time costs one page, here and at the node. A page
comes whole or not at all: what was given out always ends at a cursor, at which any node can go on, also after an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from quorate._call import Call
from quorate._engine import Engine
from quorate._judge import document, unreadable
from quorate._keys import Key, key_bytes, to_base64url
from quorate._machine import Machine
from quorate._results import Item, Meta, Page


@dataclass(slots=True)
class Pages:
    """A scan on its way."""

    _engine: Engine
    _call: Call
    _next: str | None
    """The cursor of the next page; `None`: the beginning."""
    _left: int | None
    """Keys that are still wanted; `None`: all."""
    _page_size: int | None
    _is_over: bool = False

    @classmethod
    def begin(
        cls,
        engine: Engine,
        call: Call,
        bounds: Mapping[str, Key | None],
        reverse: bool,
        values: bool,
        part: tuple[int, int] | None,
        cursor: str | None,
        limit: int | None,
        page_size: int | None,
    ) -> Pages:
        """Begin a scan, from a cursor on or from the beginning."""
        given = {name: to_base64url(key_bytes(key)) for name, key in bounds.items() if key is not None}
        call.query += [("enc", "b64")] if given else []
        call.query += given.items()
        call.query += [(name, "true") for name, is_so in (("reverse", reverse), ("values", values)) if is_so]
        call.query += [("part", f"{part[0]}/{part[1]}")] if part else []
        return cls(engine, call, cursor, limit, page_size)

    @property
    def is_over(self) -> bool:
        """Whether no page is left, or none is wanted."""
        return self._is_over or self._left == 0

    @property
    def cursor(self) -> str | None:
        """Where the next page begins; `None`: at the beginning, or there is none."""
        return self._next

    def next_page(self) -> Machine[Page | None]:
        """Return the next page; `None`: none is left. After an error it can be asked for again."""
        if self.is_over:
            return None
        query = list(self._call.query)
        if self._next is not None:
            query.append(("cursor", self._next))
        wanted = min((size for size in (self._left, self._page_size) if size is not None), default=None)
        if wanted is not None:
            query.append(("limit", str(wanted)))
        answer = yield from self._engine.perform(replace(self._call, query=query))
        try:
            page = Page.of(document(answer), Meta.of(answer.headers))  # type: ignore[arg-type]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise unreadable(answer, self._call.effect, None) from None
        self._next, self._is_over = page.next_cursor, page.next_cursor is None
        if self._left is not None:
            self._left = max(0, self._left - len(page.items))
        return page


class Items:
    """The items of a scan's pages, one by one, and where to go on."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._page: list[Item] = []
        self._at = 0
        self._begun_at = pages.cursor

    @property
    def cursor(self) -> str | None:
        """Where to go on, at any node; `None`: at the beginning, or nothing is left (`is_over`).

        Items of the present page come again, those too that were given out.
        """
        return self._pages.cursor if self._at == len(self._page) else self._begun_at

    @property
    def is_over(self) -> bool:
        """Whether nothing is left."""
        return self._at == len(self._page) and self._pages.is_over

    def _next(self) -> Machine[Item | None]:
        while self._at == len(self._page):
            begun_at = self._pages.cursor
            page = yield from self._pages.next_page()
            if page is None:
                return None
            self._page, self._at, self._begun_at = page.items, 0, begun_at
        self._at += 1
        return self._page[self._at - 1]


def counted(pages: Pages) -> Machine[int]:
    """Return what the pages of a scan that counts add up to."""
    total = 0
    while (page := (yield from pages.next_page())) is not None:
        total += page.count or 0
    return total
