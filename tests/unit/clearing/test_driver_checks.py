"""Whether a charge is of the driver whom the hub let charge: its authorization, its session, its token."""

from typing import Any

import pytest

from hub.domain.cdrs.checks import KnownAuthorization, KnownEvse, KnownSession, examine
from hub.domain.cdrs.spans import Span, twins
from hub.domain.ids import PartyId
from tests.unit.clearing.making_cdrs import CPO, EMSP, KNOWN, charge

ANOTHER = PartyId("FR", "XYZ")
ALLOWED = KnownAuthorization(cpo=CPO, emsp=EMSP, token_uid="tok1", allowed=True)
SESSION = KnownSession(emsp=EMSP, token_uid="tok1")


def codes(known: dict[str, Any], **changes: Any) -> list[str]:
    place = KnownEvse(connector=True, power=None)
    return [finding.code for finding in examine(charge(**changes), KNOWN._replace(evse=place, **known), {})]


AUTHORIZATIONS: dict[str, tuple[Any, str]] = {
    "what allowed this token": (ALLOWED, ""),
    "nothing of this hub": (None, "AUTHORIZATION_UNKNOWN"),
    "a refusal": (KnownAuthorization(cpo=CPO, emsp=EMSP, token_uid="tok1", allowed=False), "AUTHORIZATION_MISMATCH"),
    "what another CPO was told": (
        KnownAuthorization(cpo=ANOTHER, emsp=EMSP, token_uid="tok1", allowed=True),
        "AUTHORIZATION_MISMATCH",
    ),
    "another eMSP's answer": (
        KnownAuthorization(cpo=CPO, emsp=ANOTHER, token_uid="tok1", allowed=True),
        "AUTHORIZATION_MISMATCH",
    ),
    "what allowed another token": (
        KnownAuthorization(cpo=CPO, emsp=EMSP, token_uid="tok2", allowed=True),
        "AUTHORIZATION_MISMATCH",
    ),
}


@pytest.mark.parametrize(("given", "code"), AUTHORIZATIONS.values(), ids=AUTHORIZATIONS)
def test_a_charge_may_quote(given: KnownAuthorization | None, code: str) -> None:
    # What is quoted counts, not whether the token is published.
    found = codes({"authorization": given, "token": False}, authorization_reference="R1")
    assert found == ([code] if code else [])


def test_a_charge_that_quotes_nothing_needs_a_published_token() -> None:
    assert codes({"token": False}) == ["TOKEN_UNKNOWN"]
    assert codes({"token": True}) == []


SESSIONS: dict[str, tuple[Any, str]] = {
    "one of this token": (SESSION, ""),
    "none that was reported": (None, "SESSION_UNKNOWN"),
    "one of another eMSP's token": (KnownSession(emsp=ANOTHER, token_uid="tok1"), "SESSION_MISMATCH"),
    "one of another token": (KnownSession(emsp=EMSP, token_uid="tok2"), "SESSION_MISMATCH"),
}


@pytest.mark.parametrize(("given", "code"), SESSIONS.values(), ids=SESSIONS)
def test_a_charge_may_name_a_session(given: KnownSession | None, code: str) -> None:
    assert codes({"session": given}, session_id="S1") == ([code] if code else [])


EMAIDS = ("DE-MSP-C12345678-X", "de*msp*c12345678*x", "DEMSPC12345678X")


@pytest.mark.parametrize("spelled", EMAIDS)
def test_an_emaid_is_one_token_with_and_without_separators(spelled: str) -> None:
    known = {
        "authorization": KnownAuthorization(cpo=CPO, emsp=EMSP, token_uid="demspc12345678x", allowed=True),
        "session": KnownSession(emsp=EMSP, token_uid="demspc12345678x"),
    }
    assert codes(known, token_uid=spelled, authorization_reference="R1", session_id="S1") == []


def test_a_charge_is_no_other_by_another_spelling_of_its_emaid() -> None:
    first, *others = (Span.of(charge(token_uid=each)) for each in EMAIDS)
    for other in others:
        assert other.token == first.token
        assert twins(first, other)
