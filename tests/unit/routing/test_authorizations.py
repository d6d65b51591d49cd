"""Who decides whether a token may charge: the whole table, and the limits of an answer."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from hub.domain.authorizations import Allowed, Ask, Permission, Place, Source, Verdict, decide
from hub.domain.ids import PartyId
from hub.domain.tokens import Token, TokenKey, Whitelist

AGREED = Permission(agreement="agreements/a1")
FROM_STORE = replace(AGREED, from_store=True)
FORBIDDEN = Permission(agreement="agreements/a1", refusal="AGREEMENT_SUSPENDED", clause="state")

YES = Verdict(Allowed.ALLOWED, Source.STORE)
NO_LONGER = Verdict(Allowed.BLOCKED, Source.STORE, "TOKEN_INVALID")


def token(whitelist: Whitelist, *, valid: bool = True) -> Token:
    return Token(
        key=TokenKey(PartyId("DE", "XYZ"), "t1", "RFID"),
        contract_id="C1",
        whitelist=whitelist,
        valid=valid,
        last_updated=datetime(2026, 1, 1, tzinfo=UTC),
        document=b"",
    )


#: (whitelist type, valid, does the agreement let the store answer) -> what is decided.
TABLE: dict[tuple[Whitelist, bool, bool], Verdict | Ask] = {
    (Whitelist.ALWAYS, True, False): YES,
    (Whitelist.ALWAYS, True, True): YES,
    (Whitelist.ALWAYS, False, False): YES,  # whitelist ALWAYS overrides valid=false
    (Whitelist.ALWAYS, False, True): YES,
    (Whitelist.NEVER, True, False): Ask(),
    (Whitelist.NEVER, True, True): Ask(),
    (Whitelist.NEVER, False, False): Ask(),
    (Whitelist.NEVER, False, True): Ask(),
    (Whitelist.ALLOWED, True, False): Ask(),
    (Whitelist.ALLOWED, True, True): YES,
    (Whitelist.ALLOWED, False, False): Ask(),
    (Whitelist.ALLOWED, False, True): Ask(otherwise=NO_LONGER),
    (Whitelist.ALLOWED_OFFLINE, True, False): Ask(otherwise=YES),
    (Whitelist.ALLOWED_OFFLINE, True, True): Ask(otherwise=YES),
    (Whitelist.ALLOWED_OFFLINE, False, False): Ask(otherwise=YES),  # offline the CPO shall allow it, says OCPI
    (Whitelist.ALLOWED_OFFLINE, False, True): Ask(otherwise=YES),
}


@pytest.mark.parametrize(("case", "expected"), TABLE.items(), ids=lambda value: str(value)[:60])
def test_the_whitelist_type_says_who_decides(case: tuple[Whitelist, bool, bool], expected: Verdict | Ask) -> None:
    whitelist, valid, from_store = case
    permission = FROM_STORE if from_store else AGREED
    for named in (False, True):
        assert decide(token(whitelist, valid=valid), permission, emsp_named=named) == expected


@pytest.mark.parametrize("whitelist", Whitelist)
def test_what_the_agreement_forbids_no_whitelist_type_allows(whitelist: Whitelist) -> None:
    expected = Verdict(Allowed.NOT_ALLOWED, Source.AGREEMENT, "AGREEMENT_SUSPENDED")
    assert decide(token(whitelist), FORBIDDEN, emsp_named=True) == expected
    assert decide(None, FORBIDDEN, emsp_named=True) == expected


def test_a_token_the_hub_does_not_hold_is_asked_of_the_emsp_that_the_cpo_names() -> None:
    assert decide(None, AGREED, emsp_named=True) == Ask()


def test_a_token_the_hub_does_not_hold_is_unknown_when_no_emsp_is_named() -> None:
    assert decide(None, AGREED, emsp_named=False) == Verdict(Allowed.NOT_ALLOWED, Source.STORE, "UNKNOWN_TOKEN")


ASKED = Place(location_id="LOC1", evse_uids=("E1", "E2"), connector_ids=("1",))


@pytest.mark.parametrize(
    ("granted", "expected"),
    [
        (None, ASKED),
        (Place(location_id="loc1"), ASKED),
        (Place(location_id="LOC1", evse_uids=("e2",)), replace(ASKED, evse_uids=("e2",))),
        (Place(location_id="LOC1", evse_uids=("E1", "E2"), connector_ids=("1",)), ASKED),
    ],
)
def test_an_answer_grants_all_that_was_asked_or_a_part_of_it(granted: Place | None, expected: Place) -> None:
    assert ASKED.limited_to(granted) == expected


def test_an_answer_may_pick_evses_when_the_whole_location_was_asked_about() -> None:
    granted = Place(location_id="LOC1", evse_uids=("E7",))
    assert Place(location_id="LOC1").limited_to(granted) == granted


@pytest.mark.parametrize(
    "granted",
    [
        Place(location_id="LOC2"),
        Place(location_id="LOC1", evse_uids=("E1", "E3")),
        Place(location_id="LOC1", connector_ids=("2",)),
    ],
)
def test_an_answer_that_grants_what_was_not_asked_is_none(granted: Place) -> None:
    with pytest.raises(ValueError, match=r"than the one asked|was not asked"):
        ASKED.limited_to(granted)
