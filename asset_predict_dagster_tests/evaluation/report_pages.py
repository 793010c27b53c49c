"""Pages of HTML, read as a browser would read them, without a browser."""

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser
from xml.etree import ElementTree

VOID = {"meta", "link", "img", "br"}
SVG = "data:image/svg+xml;base64,"


@dataclass
class Page(HTMLParser):
    """What a page holds.

    Attributes
    ----------
    images
        Attributes of each `img`.
    addresses
        Every `src`, `href` and other address.
    tags
        Names of all elements, in order.
    text
        What a reader sees, spaces run together and non-breaking ones made plain.
    wrongly_closed
        Tags that were closed out of turn; a whole page has none.
    """

    content: str
    images: list[dict[str, str]] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    captions: list[str] = field(default_factory=list)
    wrongly_closed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []
        self._said: list[str] = []
        self.feed(self.content)
        self.close()
        self.wrongly_closed += self._open
        self.text = " ".join("".join(self._said).replace("\u00a0", " ").split())

    def handle_starttag(self, tag, attrs):
        found = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        names = ("src", "href", "srcset", "action", "data", "poster")
        self.addresses += [found[name] for name in names if name in found]
        if tag == "img":
            self.images.append(found)
        if tag == "figcaption":
            self.captions.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.wrongly_closed.append(tag)

    def handle_data(self, data):
        if "style" in self._open:
            return
        self._said.append(data)
        if "figcaption" in self._open:
            self.captions[-1] += data

    def drawings(self) -> list[ElementTree.Element]:
        """The figures, parsed; a broken one raises."""
        return [
            ElementTree.fromstring(base64.b64decode(image["src"].removeprefix(SVG)))
            for image in self.images
        ]
