"""Positions, transfers and the ledger: nothing appears and nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import Netting
from hub.domain.clearing.positions import Obligation, positions, transfers
from hub.domain.ids import PartyId
from hub.domain.ledger import (
    Posting,
    balances,
    move,
    movements,
    settlement_account,
    suspense_account,
    trial_balance,
)
from hub.domain.money import Money

PARTIES = [PartyId("NL", f"P{number:02}") for number in range(5)]


@st.composite
def obligations(draw: st.DrawFn) -> list[Obligation]:
    made = []
    for number in range(draw(st.integers(0, 20))):
        debtor, creditor = draw(st.permutations(PARTIES))[:2]
        amount = Money(minor=draw(st.integers(-(10**12), 10**12)), currency=draw(st.sampled_from(["EUR", "JPY"])))
        made.append(Obligation(statement=f"s{number}", debtor=debtor, creditor=creditor, payable=amount))
    return made


@given(obligations())
def test_net_positions_sum_to_zero_per_currency(given: list[Obligation]) -> None:
    for currency in ("EUR", "JPY"):
        assert sum(each.net.minor for each in positions(given) if each.net.currency == currency) == 0


@given(obligations())
def test_every_way_of_netting_leaves_each_party_with_the_same(given: list[Obligation]) -> None:
    expected = {(each.party, each.net.currency): each.net.minor for each in positions(given) if each.net.minor}
    for netting in Netting:
        nets: dict[tuple[PartyId, str], int] = {}
        for transfer in transfers(given, netting):
            assert transfer.amount.minor > 0
            for party, sign in ((transfer.payee, 1), (transfer.payer, -1)):
                if party is not None:
                    key = (party, transfer.amount.currency)
                    nets[key] = nets.get(key, 0) + sign * transfer.amount.minor
        assert {key: minor for key, minor in nets.items() if minor} == expected, netting


@given(obligations())
def test_what_the_hub_takes_in_it_pays_out(given: list[Obligation]) -> None:
    through = transfers(given, Netting.MULTILATERAL)
    for currency in ("EUR", "JPY"):
        mine = [each for each in through if each.amount.currency == currency]
        assert sum(each.amount.minor for each in mine if each.payee is None) == sum(
            each.amount.minor for each in mine if each.payer is None
        )


@given(obligations(), st.randoms())
def test_positions_do_not_depend_on_the_order(given: list[Obligation], random: object) -> None:
    shuffled = list(given)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert positions(shuffled) == positions(given)
    for netting in (Netting.BILATERAL, Netting.MULTILATERAL):
        assert transfers(shuffled, netting) == transfers(given, netting)


def test_two_debts_between_the_same_two_become_one_payment() -> None:
    one, two = PARTIES[:2]
    given = [
        Obligation(statement="a", debtor=one, creditor=two, payable=Money(minor=500, currency="EUR")),
        Obligation(statement="b", debtor=two, creditor=one, payable=Money(minor=800, currency="EUR")),
    ]
    (transfer,) = transfers(given, Netting.BILATERAL)
    assert (transfer.payer, transfer.payee, transfer.amount.minor) == (two, one, 300)
    assert len(transfers(given, Netting.GROSS)) == 2


def posted(given: list[Obligation]) -> list[Posting]:
    made = (
        move(
            f"statement/{each.statement}",
            debit=settlement_account(each.debtor),
            credit=settlement_account(each.creditor),
            amount=each.payable,
        )
        for each in given
    )
    return [posting for posting in made if posting]


@given(obligations())
def test_debits_equal_credits_per_currency_at_every_step(given: list[Obligation]) -> None:
    postings = posted(given)
    for step in range(len(postings) + 1):
        assert not any(trial_balance(balances(postings[:step])).values())


@given(obligations())
def test_the_ledger_and_the_positions_agree(given: list[Obligation]) -> None:
    sums = balances(posted(given))
    for each in positions(given):
        assert sums.get((settlement_account(each.party), each.net.currency), 0) == -each.net.minor


@given(obligations())
def test_posting_twice_changes_nothing(given: list[Obligation]) -> None:
    assert balances(posted(given) + posted(given)) == balances(posted(given))


@given(obligations(), st.integers(0, 20))
def test_opening_and_movements_make_the_closing(given: list[Obligation], cut: int) -> None:
    postings = posted(given)
    opening = balances(postings[:cut])
    closing = balances(postings)
    for key, movement in movements(opening, postings[cut:]).items():
        assert movement.closing == closing.get(key, 0)


def test_a_posting_taken_back_leaves_nothing() -> None:
    posting = Posting(id="a", debit="x", credit=suspense_account("agreements/a"), amount=Money(minor=5, currency="EUR"))
    assert not any(balances([posting, posting.reversed(posting_id="b")]).values())


def test_one_id_is_one_posting() -> None:
    one = Posting(id="a", debit="x", credit="y", amount=Money(minor=5, currency="EUR"))
    other = Posting(id="a", debit="x", credit="y", amount=Money(minor=6, currency="EUR"))
    with pytest.raises(ValueError, match="two postings"):
        balances([one, other])


@pytest.mark.parametrize(
    ("posting_id", "debit", "credit", "minor"),
    [("a", "x", "y", 0), ("a", "x", "y", -1), ("a", "x", "x", 1), ("", "x", "y", 1)],
)
def test_a_posting_that_moves_nothing_is_refused(posting_id: str, debit: str, credit: str, minor: int) -> None:
    with pytest.raises(ValueError, match="posting"):
        Posting(id=posting_id, debit=debit, credit=credit, amount=Money(minor=minor, currency="EUR"))


def test_a_negative_amount_is_owed_the_other_way_round() -> None:
    posting = move("a", debit="x", credit="y", amount=Money(minor=-5, currency="EUR"))
    assert posting == Posting(id="a", debit="y", credit="x", amount=Money(minor=5, currency="EUR"))
    assert move("a", debit="x", credit="y", amount=Money(minor=0, currency="EUR")) is None
