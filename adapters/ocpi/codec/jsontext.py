"""JSON that keeps numbers as they were written.

A `float` would change prices, and even `Decimal` forgets that `1E2` was not `100`. Here a JSON number stays text until
somebody who knows its meaning reads it, and goes out as it came in.
"""

import json
from decimal import Decimal
from json.encoder import encode_basestring_ascii  # escapes lone surrogates, which UTF-8 cannot carry
from typing import NoReturn, TypeAlias

import orjson


class Number:
    """A JSON number, by its text. Equal when the texts are: `1.0` is not `1`, ask `value` for that."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def value(self) -> Decimal:
        """The number itself, exactly."""
        return Decimal(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return f"Number({self.text!r})"


Json: TypeAlias = bool | int | str | Number | list["Json"] | dict[str, "Json"] | None
JsonObject: TypeAlias = dict[str, Json]


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _object(pairs: list[tuple[str, Json]]) -> JsonObject:
    obj = dict(pairs)
    if len(obj) != len(pairs):  # two readers may take two different ones
        raise ValueError("a name stands twice in one object")
    return obj


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=Number, parse_int=Number, parse_constant=_refuse_constant
)


def loads(text: bytes | str) -> Json:
    """Parse one JSON value, numbers as `Number`.

    Raises:
        ValueError: not UTF-8, not JSON, nested too deep, or a name stands twice in an object. The message holds no part
            of the text.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return _DECODER.decode(text)  # type: ignore[no-any-return]
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ValueError("nested too deep") from None


def loads_object(text: bytes | str) -> JsonObject:
    """Parse one JSON object.

    Raises:
        ValueError: as `loads`, or the value is no object.
    """
    value = loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the text is at fault, not the caller's type
    return value


def _raw(value: object) -> orjson.Fragment:
    if isinstance(value, Number):
        return orjson.Fragment(value.text)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def dumps(value: Json) -> bytes:
    """Return the compact UTF-8 text of `value`; each `Number` as it was written."""
    try:
        return orjson.dumps(value, default=_raw)
    except TypeError:  # a lone surrogate, or nested deeper than orjson goes
        return _write(value).encode()


def _write(value: Json) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{encode_basestring_ascii(k)}:{_write(v)}" for k, v in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_write, value)) + "]"
        case Number():
            return value.text
        case str():
            return encode_basestring_ascii(value)
        case True | False | None | int():
            return json.dumps(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in JSON")
