"""Strict XML: no document type, hence no entities; bounded in depth and number of elements; well-formed or refused."""

from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from hub.domain.meter.model import MalformedMeterData, Reason

_DEPTH_MAX = 16
_ELEMENTS_MAX = 20_000


@dataclass(slots=True, kw_only=True)
class Element:
    """An element by its local name: prefixes are left out, as senders differ in them."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The character data directly in it."""
        return "".join(self.pieces)

    def child(self, name: str) -> "Element | None":
        """Return the one child of this name; raises MalformedMeterData where there are several."""
        found = [each for each in self.children if each.name == name]
        if len(found) > 1:
            raise MalformedMeterData
        return found[0] if found else None

    def said(self, name: str) -> str:
        """Return the text of a child; empty where it is absent."""
        child = self.child(name)
        return child.text.strip() if child else ""

    def every(self, *names: str) -> list["Element"]:
        """Return this element and those below it that have one of these names, in order; not what is below them."""
        if self.name in names:
            return [self]
        return [found for child in self.children for found in child.every(*names)]


class _Builder:
    def __init__(self) -> None:
        self.top = Element(name="")
        self._open = [self.top]
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if len(self._open) > _DEPTH_MAX or self._count > _ELEMENTS_MAX:
            raise MalformedMeterData(Reason.XML_FORBIDDEN)
        element = Element(name=_local(name), attributes={_local(key): value for key, value in attributes.items()})
        self._open[-1].children.append(element)
        self._open.append(element)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, data: str) -> None:
        self._open[-1].pieces.append(data)


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _forbid(*_: object) -> NoReturn:
    raise MalformedMeterData(Reason.XML_FORBIDDEN)


def parse_xml(data: bytes) -> Element:
    """Return the root element.

    Raises:
        MalformedMeterData: It is no well-formed XML, declares a document type or an entity, or exceeds a bound.
    """
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = _forbid
    parser.EntityDeclHandler = _forbid
    parser.ExternalEntityRefHandler = _forbid
    try:
        parser.Parse(data, True)
    except MalformedMeterData:
        raise
    except (expat.ExpatError, ValueError, LookupError):
        # The latter two come from encodings that Python does not know, or cannot use.
        raise MalformedMeterData(Reason.XML_NOT_WELL_FORMED) from None
    return builder.top.children[0]
