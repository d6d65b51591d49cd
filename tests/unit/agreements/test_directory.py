"""What the directory answers about who roams with whom."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.app.directory import Directory
from hub.domain import agreements as rules
from hub.domain.agreements import Agreement, Service
from hub.domain.ids import PartyId
from hub.domain.parties import Party, PartyState, Role
from tests.unit.agreements.making import CPO, EMSP, NOW, active, proposal, terms

OTHER = PartyId("FR", "OTH")
HOUR = timedelta(hours=1)


def directory(*agreements: Agreement) -> Directory:
    parties = [
        Party(id=each, number=n, roles=frozenset({role}), platform=str(each), state=PartyState.ACTIVE)
        for n, (each, role) in enumerate(((CPO, Role.CPO), (EMSP, Role.EMSP), (OTHER, Role.EMSP)), 1)
    ]
    return Directory.of(version=1, parties=parties, agreements=agreements)


def test_without_an_agreement_parties_see_only_themselves() -> None:
    empty = directory()
    assert empty.partners_of("NL-CPO") == {CPO}
    assert empty.partners_of("nobody") == frozenset()
    assert empty.active_agreement(CPO, EMSP, NOW) is None
    assert empty.agreement_covering(CPO, EMSP, NOW) is None


def test_an_active_agreement_lets_its_two_sides_see_each_other_and_nobody_else() -> None:
    seen = directory(active())
    assert seen.partners_of("NL-CPO") == seen.partners_of("DE-MSP") == {CPO, EMSP}
    assert seen.partners_of("FR-OTH") == {OTHER}


@pytest.mark.parametrize(
    "version", [proposal(), rules.suspend(active(), CPO, "", NOW), rules.terminate(active(), "", NOW)]
)
def test_an_agreement_that_is_not_active_shows_nothing(version: Agreement) -> None:
    assert directory(version).partners_of("DE-MSP") == {EMSP}
    assert directory(version).active_agreement(CPO, EMSP, NOW) is None


def test_validity_is_a_half_open_range_whatever_the_stored_state() -> None:
    seen = directory(active(end=NOW + HOUR))
    assert seen.active_agreement(CPO, EMSP, NOW) is not None
    assert seen.active_agreement(CPO, EMSP, NOW + HOUR) is None


def test_an_accepted_amendment_takes_over_on_its_instant() -> None:
    old = active()
    new = rules.accept(rules.next_version(old, CPO, terms(start=NOW + HOUR), NOW), EMSP, NOW, old)
    seen = directory(old, new)
    assert seen.active_agreement(CPO, EMSP, NOW) is old
    assert seen.active_agreement(CPO, EMSP, NOW + HOUR) is new


def test_a_suspension_holds_back_the_amendment_too() -> None:
    old = rules.suspend(active(), EMSP, "", NOW)
    new = rules.accept(rules.next_version(old, CPO, terms(start=NOW + HOUR), NOW), EMSP, NOW, old)
    seen = directory(old, new)
    assert seen.active_agreement(CPO, EMSP, NOW + HOUR) is None
    no = seen.why_not(CPO, EMSP, Service.ROAMING, NOW + HOUR)
    assert no is not None
    assert no.reason == "AGREEMENT_SUSPENDED"


def test_what_began_under_an_agreement_is_settled_under_it_though_a_new_one_is_proposed() -> None:
    ended = rules.terminate(active(), "", NOW + HOUR)
    fresh = replace(proposal(), id="0199")
    seen = directory(ended, fresh)
    assert seen.agreement_covering(CPO, EMSP, NOW) is ended
    assert seen.agreement_covering(CPO, EMSP, NOW + HOUR) is None


REFUSALS = {
    "AGREEMENT_PROPOSED": ("state", proposal()),
    "AGREEMENT_DECLINED": ("state", rules.decline(proposal(), "", NOW)),
    "AGREEMENT_SUSPENDED": ("state", rules.suspend(active(), CPO, "", NOW)),
    "AGREEMENT_TERMINATED": ("state", rules.terminate(active(), "", NOW)),
    "AGREEMENT_NOT_YET_VALID": ("terms.start_time", rules.accept(proposal(start=NOW + HOUR), EMSP, NOW, None)),
    "AGREEMENT_EXPIRED": ("terms.end_time", replace(active(), terms=terms(end=NOW))),
    "SERVICE_NOT_AGREED": ("terms.services", active()),
}


@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refusal_names_the_agreement_and_the_clause(reason: str) -> None:
    clause, version = REFUSALS[reason]
    no = directory(version).why_not(CPO, EMSP, Service.REMOTE, NOW)
    assert no is not None
    assert (no.reason, no.clause, no.agreement) == (reason, clause, version)


def test_parties_without_an_agreement_and_unknown_parties_read_the_same() -> None:
    strangers = directory().why_not(CPO, EMSP, Service.ROAMING, NOW)
    unknown = directory().why_not(CPO, PartyId("ZZ", "ZZZ"), Service.ROAMING, NOW)
    assert strangers == unknown
    assert strangers is not None
    assert strangers.reason == "NO_AGREEMENT"


def test_nothing_is_refused_that_was_agreed() -> None:
    assert directory(active()).why_not(CPO, EMSP, Service.ROAMING, NOW) is None


def test_a_session_that_began_right_at_the_start_is_covered_before_the_stored_state_follows() -> None:
    old = active(end=NOW + HOUR)
    new = rules.accept(rules.next_version(old, CPO, terms(start=NOW + HOUR), NOW), EMSP, NOW, old)
    seen = directory(old, new)
    assert seen.agreement_covering(CPO, EMSP, NOW) is old
    assert seen.agreement_covering(CPO, EMSP, NOW + HOUR) is new


def test_a_suspended_party_is_named_to_those_it_has_an_agreement_with_and_to_nobody_else() -> None:
    held = directory(active())
    parties = [replace(party, state=PartyState.SUSPENDED) for party in held.parties.values()]
    held = Directory.of(version=2, parties=parties, agreements=[active()])
    assert held.active_agreement(CPO, EMSP, NOW) is None
    no = held.why_not(CPO, EMSP, Service.ROAMING, NOW)
    assert no is not None
    assert (no.reason, no.agreement) == ("PARTY_SUSPENDED", active())
    assert held.why_not(CPO, OTHER, Service.ROAMING, NOW) == directory().why_not(CPO, OTHER, Service.ROAMING, NOW)
    assert held.agreement_covering(CPO, EMSP, NOW) == active()
