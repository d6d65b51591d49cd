"""Pages of a list (AIP-158): a page token says where to go on, and is good only for the arguments it was made with.

A token is opaque to callers and grants nothing: every page is authorized and filtered like the first one. It is not
secret either, so it holds sort keys of objects that the caller was just shown, and nothing else.
"""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from hub.domain.errors import Invalid, invalid

#: What a caller gets who names no size, and the most that anyone gets.
PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1_000

#: A page holds objects of at most so many bytes, or a single one: gRPC's clients take messages of 4 MiB.
_PAGE_BYTES = 2 * 1024 * 1024

T = TypeVar("T")

_DIGEST_BYTES = 8
_TOKEN_CHARACTERS_MAX = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What to return next.

    Attributes:
        size: The most items to return; one more is read to learn whether another page follows.
        after: Sort key of the last item of the page before, as given to `next_token`; None on the first page.
    """

    size: int
    after: tuple[Any, ...] | None
    _digest: bytes

    def key(self, *kinds: type[str] | type[int]) -> tuple[Any, ...] | None:
        """Return `after` if it has parts of these kinds, such as `page.key(str, int)`; None on the first page.

        Raises:
            Invalid: It has not, so this hub did not make the token.
        """
        if self.after is None:
            return None
        if tuple(type(part) for part in self.after) != kinds:
            raise not_ours()
        return self.after

    def next_token(self, *key: str | int) -> str:
        """Return the token of the page that follows the item with this sort key."""
        content = json.dumps(key, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._digest + content).decode().rstrip("=")


def read_page(request: Any, *, default: int = PAGE_SIZE_DEFAULT, most: int = PAGE_SIZE_MAX) -> Page:  # noqa: ANN401
    """Return the page that a List request asks for; it has `page_size` and `page_token`.

    Raises:
        Invalid: The size is negative, or the token is not one that this hub made for these arguments.
    """
    if request.page_size < 0:
        raise invalid("page_size", "must not be negative")
    size = min(request.page_size or default, most)
    digest = _digest(request)
    return Page(size=size, after=_read_token(request.page_token, digest), _digest=digest)


def fitting(items: Sequence[T], size: int, bytes_of: Callable[[T], int]) -> Sequence[T]:
    """Return the first items that fit into one response, by their number and by their bytes."""
    total = 0
    for count, item in enumerate(items[:size]):
        total += bytes_of(item)
        if count and total > _PAGE_BYTES:
            return items[:count]
    return items[:size]


def _digest(request: Message) -> bytes:
    """Return what binds a token to all arguments but the two that may differ from page to page."""
    arguments = type(request)()
    arguments.CopyFrom(request)
    for name in ("page_size", "page_token"):
        arguments.ClearField(name)
    text = arguments.DESCRIPTOR.full_name.encode() + b"\0" + arguments.SerializeToString(deterministic=True)
    return hashlib.sha256(text).digest()[:_DIGEST_BYTES]


def _read_token(token: str, digest: bytes) -> tuple[Any, ...] | None:
    if not token:
        return None
    if len(token) > _TOKEN_CHARACTERS_MAX:
        raise not_ours()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw[_DIGEST_BYTES:])
    except (ValueError, RecursionError):
        raise not_ours() from None
    if raw[:_DIGEST_BYTES] != digest:
        raise invalid("page_token", "must go with the arguments it was returned for; only page_size may change")
    if not isinstance(key, list) or not all(_is_sort_key(part) for part in key):
        raise not_ours()
    return tuple(key)


def _is_sort_key(part: object) -> bool:
    """Say whether the part can be one of ours: ids are printable, and integers have 64 bits in a database."""
    return (isinstance(part, str) and part.isprintable()) or (type(part) is int and -(1 << 63) <= part < 1 << 63)


def not_ours() -> Invalid:
    """Return the refusal of a token that this hub did not make."""
    return invalid("page_token", "must be one that this hub returned")
