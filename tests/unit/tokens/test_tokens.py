"""Which token a uid means, and what counts as news about one."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.ids import PartyId, fold_uid
from hub.domain.tokens import RFID, Token, TokenKey, Whitelist, changes_token, pick_token

A, B, C = PartyId("NL", "AAA"), PartyId("NL", "BBB"), PartyId("NL", "CCC")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def token(
    emsp: PartyId = A, *, kind: str = RFID, valid: bool = True, whitelist: Whitelist = Whitelist.NEVER, age: int = 0
) -> Token:
    return Token(
        key=TokenKey(emsp, "secret-uid", kind),
        contract_id="secret-contract",
        whitelist=whitelist,
        valid=valid,
        group_id="secret-group",
        last_updated=NOW - timedelta(seconds=age),
        document=b"secret-document",
    )


def test_no_repr_shows_who_the_driver_is() -> None:
    assert "secret" not in repr(token())
    assert "secret" not in str(token().key)


@pytest.mark.parametrize(
    ("spelled", "folded"),
    [
        ("NL-ABC-C12345678-X", "nlabcc12345678x"),
        ("NL*ABC*C12345678*X", "nlabcc12345678x"),
        ("NL-ABC-C12345678", "nlabcc12345678"),
        ("nlABCc12345678x", "nlabcc12345678x"),
        # No eMAIDs: what separates is part of them.
        ("04-A2-B3-C4", "04-a2-b3-c4"),
        ("NL-ABC-C1234567", "nl-abc-c1234567"),
        ("NL--ABC-C12345678", "nl--abc-c12345678"),
        ("12-ABC-C12345678", "12-abc-c12345678"),
        ("0f8fad5b-d9cb-469f-a165-70867728950e", "0f8fad5b-d9cb-469f-a165-70867728950e"),
        ("-", "-"),
        ("", ""),
    ],
)
def test_an_emaid_compares_without_separators_and_no_other_uid_does(spelled: str, folded: str) -> None:
    assert fold_uid(spelled) == folded == fold_uid(folded)
    assert TokenKey.of(A, spelled, "emaid") == TokenKey(A, folded, "EMAID")


def test_only_tokens_of_the_type_and_of_partners_are_meant() -> None:
    assert pick_token([token(A), token(B, kind="APP_USER")], "APP_USER", {A, B}) == token(B, kind="APP_USER")
    assert pick_token([token(A)], RFID, {B}) is None
    assert pick_token([], RFID, {A}) is None


def test_a_usable_token_goes_before_a_newer_one_that_is_not() -> None:
    assert pick_token([token(A, age=9), token(B, valid=False)], RFID, {A, B}) == token(A, age=9)


def test_whitelist_always_is_usable_though_not_valid() -> None:
    always = token(B, valid=False, whitelist=Whitelist.ALWAYS, age=5)
    assert pick_token([token(A, valid=False), always], RFID, {A, B}) == always


def test_among_usable_tokens_the_newer_one_is_meant_then_the_first_emsp() -> None:
    assert pick_token([token(A, age=1), token(B)], RFID, {A, B}) == token(B)
    assert pick_token([token(C), token(B)], RFID, {A, B, C}) == token(B)


many = st.lists(
    st.builds(
        token,
        st.sampled_from([A, B, C]),
        valid=st.booleans(),
        whitelist=st.sampled_from(Whitelist),
        age=st.integers(0, 2),
    ),
    unique_by=lambda each: each.key,
)


@given(many, st.randoms())
def test_the_order_in_which_candidates_are_found_does_not_matter(found: list[Token], chance: random.Random) -> None:
    shuffled = list(found)
    chance.shuffle(shuffled)
    assert pick_token(found, RFID, {A, B}) == pick_token(shuffled, RFID, {A, B})


@given(many)
def test_nothing_better_than_what_is_picked_was_there(found: list[Token]) -> None:
    picked = pick_token(found, RFID, {A, B, C})
    if picked is None:
        assert not found
    else:
        assert all((each.usable, each.last_updated) <= (picked.usable, picked.last_updated) for each in found)


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=1)), max_size=12))
def test_last_updated_never_runs_backwards_and_a_replay_changes_nothing(said: list[tuple[int, bytes]]) -> None:
    held: Token | None = None
    for seconds, document in said:
        news = Token(
            key=TokenKey(A, "u", RFID),
            contract_id="c",
            whitelist=Whitelist.NEVER,
            valid=True,
            last_updated=NOW + timedelta(seconds=seconds),
            document=b"%d" % seconds + document,
        )
        counts = changes_token(held, news)
        if counts:
            assert held is None or news.last_updated >= held.last_updated
            held = news
        else:
            assert held is not None
            assert counts is None or held == news
    if held is not None:
        assert changes_token(held, held) is False
