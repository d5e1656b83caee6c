"""Reading a page back: its text, its tags, and what it would fetch."""

from __future__ import annotations

import re
from html.parser import HTMLParser

# Thousands are held together by a space that does not break.
NUMBER = re.compile("[+-]?(?<![\\w.])\\d(?:[\\d\N{NO-BREAK SPACE}]*\\d)?(?:\\.\\d+)?(?:e-?\\d+)?")
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """The visible text of a page, and every tag that is opened or closed out of turn.

    `numbers` are those of the text, as they are written; numbers in pictures are not among them.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.unbalanced: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.numbers: list[str] = []
        self._text: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self._text.append(data)
            if "svg" not in self.open:
                self.numbers += NUMBER.findall(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._text).split())


def section(html: str, name: str) -> str:
    """One section of a page by the id of its heading, with its tags."""
    parts: list[str] = re.findall(r"<section.*?</section>", html, flags=re.S)
    return next(part for part in parts if f'id="{name}"' in part)


def outside_addresses(html: str) -> list[str]:
    """Everything on a page that a browser would fetch from somewhere."""
    found = re.findall(r"""(?:src|href|srcset|action|poster)\s*=\s*["']?([^"'\s>]+)""", html)
    found += re.findall(r"url\(([^)]*)\)", html)
    found += re.findall(r"@import[^;]*", html)
    found += [address for address in re.findall(r"https?://[^\"'\s<)]+", html) if not address.startswith(_NAMESPACE)]
    return found


_NAMESPACE = ("http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink")
