"""Page tokens: good for the arguments they were made with, and for nothing else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from roamhub.v1 import admin_pb2, party_pb2

from hub.domain.errors import Invalid
from hub.rpc.paging import read_page

_IDS = st.text(max_size=40).filter(str.isprintable)


def token_of(request: party_pb2.ListPartiesRequest, *key: str | int) -> str:
    return read_page(request).next_token(*key)


@given(st.lists(st.one_of(_IDS, st.integers(-(2**63), 2**63 - 1)), max_size=4))
def test_a_token_brings_its_key_back(key: list[str | int]) -> None:
    request = party_pb2.ListPartiesRequest(own=True, page_size=5)
    again = party_pb2.ListPartiesRequest(own=True, page_size=50, page_token=token_of(request, *key))
    assert read_page(again).after == tuple(key)


def test_a_page_has_its_default_and_its_largest_size() -> None:
    assert read_page(party_pb2.ListPartiesRequest()).size == 100
    assert read_page(party_pb2.ListPartiesRequest(page_size=7)).size == 7
    assert read_page(party_pb2.ListPartiesRequest(page_size=2**31 - 1)).size == 1_000
    assert read_page(party_pb2.ListPartiesRequest(), default=5, most=9).size == 5


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(Invalid, match="page_size"):
        read_page(party_pb2.ListPartiesRequest(page_size=-1))


def test_a_token_is_refused_with_other_arguments() -> None:
    token = token_of(party_pb2.ListPartiesRequest(own=True), "NL")
    with pytest.raises(Invalid, match="page_token"):
        read_page(party_pb2.ListPartiesRequest(page_token=token))


def test_a_token_is_refused_by_another_list() -> None:
    token = token_of(party_pb2.ListPartiesRequest(), "NL")
    with pytest.raises(Invalid, match="page_token"):
        read_page(admin_pb2.ListInvitationsRequest(page_token=token))


@pytest.mark.parametrize(
    "token",
    ["x", "!!!!", "é", "a" * 2_000, base64.urlsafe_b64encode(b"12345678").decode(), "AAAAAAAAAAB7fQ"],
    ids=["short", "no alphabet", "no ascii", "long", "no key", "no list"],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(Invalid, match="page_token"):
        read_page(party_pb2.ListPartiesRequest(page_token=token))


def test_a_token_with_the_right_digest_and_a_strange_key_is_refused() -> None:
    good = base64.urlsafe_b64decode(token_of(party_pb2.ListPartiesRequest(), "NL") + "==")
    for key in (b'{"a":1}', b"[[1]]", b"[1.5]", b"[null]", b"[" * 700):
        token = base64.urlsafe_b64encode(good[:8] + key).decode().rstrip("=")
        with pytest.raises(Invalid, match="page_token"):
            read_page(party_pb2.ListPartiesRequest(page_token=token))
