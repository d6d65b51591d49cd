"""The clearing leaf: its bytes, what it hides, and what remains provable after an erasure."""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.leaf import (
    Leaf,
    MalformedLeaf,
    Opening,
    Sealer,
    check_openings,
    erase,
    open_all,
    pack_openings,
    seal,
    unpack_openings,
)
from hub.domain.merkle import leaf_hash

TIME = datetime(2026, 10, 25, 1, 30, 0, 250, tzinfo=UTC)
SALT = bytes(range(32))
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True)
FIELDS = {"settlement": b"{}", "token": b"04A2B3", "document": bytes(32)}


def sealed(**changes: bytes) -> bytes:
    return seal(
        kind="CDR_ACCEPTED",
        recorded_time=TIME,
        owner="NL-ABC",
        counterparty="DE-XYZ",
        fields={**FIELDS, **changes},
        leaf_salt=SALT,
    )


def test_the_preimage_is_as_documented_byte_by_byte() -> None:
    def commitment(name: bytes, value: bytes) -> bytes:
        return sha256(sha256(SALT + name).digest() + bytes([len(name)]) + name + value).digest()

    micros = int(TIME.timestamp()) * 1_000_000 + 250
    assert sealed() == (
        b"roamhub.leaf.v1\n"
        + micros.to_bytes(8, "big")
        + b"\x0cCDR_ACCEPTED\x06NL-ABC\x06DE-XYZ\x03"
        + b"\x08document"
        + commitment(b"document", bytes(32))
        + b"\x0asettlement"
        + commitment(b"settlement", b"{}")
        + b"\x05token"
        + commitment(b"token", b"04A2B3")
    )


def test_a_leaf_reads_back_as_it_was_written() -> None:
    leaf = Leaf.from_bytes(sealed())
    assert (leaf.kind, leaf.recorded_time, leaf.owner, leaf.counterparty) == ("CDR_ACCEPTED", TIME, "NL-ABC", "DE-XYZ")
    assert leaf.to_bytes() == sealed()
    assert leaf.hash == leaf_hash(sealed())


def test_a_leaf_opens_to_its_own_fields_only() -> None:
    leaf = Leaf.from_bytes(sealed())
    openings = open_all(SALT, FIELDS)
    check_openings(leaf, openings)
    token = openings["token"]
    for forged in (
        {"token": Opening(salt=token.salt, value=b"04A2B4")},
        {"token": Opening(salt=bytes(32), value=token.value)},
        {"token": Opening(salt=token.salt + token.value[:1], value=token.value[1:])},
        {"contract": token},
    ):
        with pytest.raises(ValueError, match="the leaf"):
            check_openings(leaf, forged)


def test_the_same_content_never_has_the_same_leaf_twice() -> None:
    other = seal(kind="K", recorded_time=TIME, owner="", counterparty="", fields=FIELDS, leaf_salt=bytes(32))
    assert other != seal(kind="K", recorded_time=TIME, owner="", counterparty="", fields=FIELDS, leaf_salt=SALT)


def test_an_erased_field_leaves_the_leaf_as_it_was() -> None:
    kept = erase(open_all(SALT, FIELDS), {"token"})
    assert set(kept) == {"settlement", "document"}
    leaf = Leaf.from_bytes(sealed())
    check_openings(leaf, kept)
    assert leaf.hash == leaf_hash(sealed())
    assert b"04A2B3" not in pack_openings(kept) + sealed()


@given(st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,30}", fullmatch=True), st.binary(max_size=300), max_size=20))
def test_openings_survive_storage(fields: dict[str, bytes]) -> None:
    openings = open_all(SALT, fields)
    assert unpack_openings(pack_openings(openings)) == openings
    preimage = seal(kind="K", recorded_time=TIME, owner="", counterparty="", fields=fields, leaf_salt=SALT)
    check_openings(Leaf.from_bytes(preimage), openings)


@given(st.binary(max_size=200), st.integers(0, 150))
def test_any_bytes_are_a_leaf_or_refused(noise: bytes, keep: int) -> None:
    try:
        leaf = Leaf.from_bytes(sealed()[:keep] + noise)
    except MalformedLeaf:
        return
    assert leaf.to_bytes() == sealed()[:keep] + noise


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"roamhub.leaf.v1\n",
        b"roamhub.leaf.v2\n" + sealed()[16:],
        sealed()[:-1],
        sealed() + b"x",
        sealed().replace(b"\x06NL-ABC", b"\x06NL\xffABC"),
        sealed().replace(b"\x05token", b"\x05Token"),
        sealed().replace(b"\x05token", b"\x05token".replace(b"token", b"aaaaa")),
        sealed()[:16] + b"\x7f" * 8 + sealed()[24:],
    ],
)
def test_a_damaged_leaf_is_refused(spoiled: bytes) -> None:
    with pytest.raises(MalformedLeaf):
        Leaf.from_bytes(spoiled)


def test_cut_openings_are_refused() -> None:
    packed = pack_openings(open_all(SALT, FIELDS))
    with pytest.raises(MalformedLeaf):
        unpack_openings(packed[:-1])


@pytest.mark.parametrize("name", ["", "Token", "9", "a" * 32, "sp ace"])
def test_a_field_name_is_plain(name: str) -> None:
    with pytest.raises(ValueError, match="field name"):
        sealed(**{name: b""})


def test_texts_are_bounded_and_a_salt_is_whole() -> None:
    with pytest.raises(ValueError, match="at most 255"):
        seal(kind="K" * 256, recorded_time=TIME, owner="", counterparty="", fields={}, leaf_salt=SALT)
    with pytest.raises(ValueError, match="32 bytes"):
        seal(kind="K", recorded_time=TIME, owner="", counterparty="", fields={}, leaf_salt=SALT[1:])


@given(st.dictionaries(NAMES, st.binary(max_size=300), max_size=6), st.binary(min_size=32, max_size=32))
def test_a_sealer_yields_the_leaf_and_the_openings_of_the_plain_way(fields: dict[str, bytes], salt: bytes) -> None:
    shared: dict[str, Any] = {
        "kind": "cdr_accepted",
        "recorded_time": TIME,
        "owner": "NL-ABC",
        "counterparty": "DE-XYZ",
    }
    sealer = Sealer(**shared, names=list(fields))
    for _ in range(2):
        leaf, openings = sealer.seal_and_open(fields, salt)
        assert leaf == seal(**shared, fields=fields, leaf_salt=salt)
        assert openings == pack_openings(open_all(salt, fields))


def test_a_sealer_refuses_what_the_plain_way_refuses() -> None:
    shared: dict[str, Any] = {"recorded_time": TIME, "owner": "", "counterparty": ""}
    with pytest.raises(ValueError, match="at most 255"):
        Sealer(kind="K" * 256, names=(), **shared)
    with pytest.raises(ValueError, match="lower-case"):
        Sealer(kind="K", names=("Token",), **shared)
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(kind="K", names=(), **shared).seal_and_open({}, SALT[1:])
