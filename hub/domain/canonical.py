"""Documents whose bytes are signed: JSON in one possible form.

Keys stand in the order in which the format defines them, there is no white space, amounts are strings and numbers are
integers. A document is verified as the bytes it came in, never rebuilt; `load` accepts only the bytes that `dump` would
write, so that one content has one digest.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from json.encoder import encode_basestring
from typing import NoReturn

#: What a document consists of.
Json = str | int | bool | None | Mapping[str, "Json"] | Sequence["Json"]

# `ensure_ascii` off keeps names readable; the documents are UTF-8.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


#: Returns a string as it stands in a document.
quoted: Callable[[str], str] = encode_basestring


class MalformedDocument(ValueError):
    """The bytes are no document of this format."""


def dump(document: Json) -> bytes:
    """Return the document's bytes, keys in the order in which they stand."""
    return _ENCODER.encode(document).encode()


def digest(document: bytes) -> str:
    """Return a document's id: the SHA-256 of its bytes, 64 lower-case hexadecimal digits."""
    return sha256(document).hexdigest()


def normalise(text: bytes) -> bytes:
    """Return the one form of a document that people wrote with white space of their own; the order of keys counts.

    Raises:
        MalformedDocument: It is no JSON, or holds a fraction or a key twice.
    """
    try:
        return dump(json.loads(text, object_pairs_hook=_unique, parse_float=_refuse, parse_constant=_refuse))
    except MalformedDocument:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedDocument(f"no JSON document: {type(error).__name__}") from None


def load(document: bytes) -> Json:
    """Read a document.

    Raises:
        MalformedDocument: It is no JSON, holds a fraction, or is not in the form that `dump` writes.
    """
    try:
        text = document.decode()
        loaded: Json = json.loads(text, object_pairs_hook=_unique, parse_float=_refuse, parse_constant=_refuse)
        again = dump(loaded)
    except MalformedDocument:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedDocument(f"no JSON document: {type(error).__name__}") from None
    if again != document:
        raise MalformedDocument("not in the one form a document is written in")
    return loaded


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedDocument("a key stands twice")
    return fields


def _refuse(_: str) -> NoReturn:
    raise MalformedDocument("a number that is not an integer")


class Fields:
    """Reads the fields of one object of a document, in their order, by their type.

    Every field has to be read, in the order in which the format defines them; `end` makes sure of it. What is missing,
    out of place or of another type raises MalformedDocument.
    """

    def __init__(self, value: Json, path: str = "") -> None:
        if not isinstance(value, Mapping):
            raise MalformedDocument(f"{path or 'the document'} is no object")
        self._path = path
        self._rest = iter(value.items())

    def _next(self, name: str) -> Json:
        key, value = next(self._rest, (None, None))
        if key != name:
            raise MalformedDocument(f"{self.at(name)} is missing or out of place")
        return value

    def at(self, name: str) -> str:
        """Return the path of a field."""
        return f"{self._path}.{name}" if self._path else name

    def text(self, name: str) -> str:
        """Read a string."""
        value = self._next(name)
        if not isinstance(value, str):
            raise MalformedDocument(f"{self.at(name)} is no string")
        return value

    def integer(self, name: str) -> int:
        """Read an integer of 0 or more, below 2**63."""
        value = self._next(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
            raise MalformedDocument(f"{self.at(name)} is no integer of 0 or more")
        return value

    def optional_integer(self, name: str) -> int | None:
        """Read an integer of 0 or more, or null."""
        value = self._next(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
            raise MalformedDocument(f"{self.at(name)} is neither an integer of 0 or more nor null")
        return value

    def boolean(self, name: str) -> bool:
        """Read true or false."""
        value = self._next(name)
        if not isinstance(value, bool):
            raise MalformedDocument(f"{self.at(name)} is neither true nor false")
        return value

    def object(self, name: str) -> "Fields":
        """Read an object."""
        return Fields(self._next(name), self.at(name))

    def objects(self, name: str) -> "list[Fields]":
        """Read a list of objects."""
        return [Fields(value, f"{self.at(name)}[{at}]") for at, value in enumerate(self._list(name))]

    def texts(self, name: str) -> list[str]:
        """Read a list of strings."""
        values = self._list(name)
        texts = [value for value in values if isinstance(value, str)]
        if len(texts) != len(values):
            raise MalformedDocument(f"{self.at(name)} holds more than strings")
        return texts

    def integers(self, name: str) -> list[int]:
        """Read a list of integers of 0 or more."""
        values = self._list(name)
        integers = [value for value in values if isinstance(value, int) and not isinstance(value, bool) and value >= 0]
        if len(integers) != len(values):
            raise MalformedDocument(f"{self.at(name)} holds more than integers of 0 or more")
        return integers

    def end(self) -> None:
        """Make sure that no field is left.

        Raises:
            MalformedDocument: The object holds a field that the format does not know.
        """
        key, _ = next(self._rest, (None, None))
        if key is not None:
            raise MalformedDocument(f"{self.at(key)} is unknown")

    def _list(self, name: str) -> Sequence[Json]:
        value = self._next(name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise MalformedDocument(f"{self.at(name)} is no list")
        return value


def expect_format(fields: Fields, known: str) -> None:
    """Read the `format` field.

    Raises:
        MalformedDocument: It names another format.
    """
    if fields.text("format") != known:
        raise MalformedDocument(f"not of format {known}")
