"""Positions: who pays whom, once, out of many statements.

Only amounts that are already rounded to minor units are netted, and nets are never rounded: positions sum to zero per
currency by construction, whichever way of netting is chosen.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from hub.domain.agreements import Netting
from hub.domain.ids import PartyId
from hub.domain.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligation:
    """What one statement leaves to pay; a negative amount is owed the other way round."""

    statement: str
    debtor: PartyId
    creditor: PartyId
    payable: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A party's net in one currency: positive is to be received, negative to be paid."""

    party: PartyId
    net: Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A payment to be made; a `None` side is the hub, through which multilateral netting settles. Always positive."""

    payer: PartyId | None
    payee: PartyId | None
    amount: Money


def positions(obligations: Iterable[Obligation]) -> tuple[Position, ...]:
    """Return every party's net per currency, zeros included, ordered by currency and party."""
    nets: dict[tuple[str, PartyId], int] = {}
    for each in obligations:
        currency, minor = each.payable.currency, each.payable.minor
        nets[currency, each.creditor] = nets.get((currency, each.creditor), 0) + minor
        nets[currency, each.debtor] = nets.get((currency, each.debtor), 0) - minor
    ordered = sorted(nets.items(), key=lambda item: (item[0][0], str(item[0][1])))
    return tuple(
        Position(party=party, net=Money(minor=minor, currency=currency)) for (currency, party), minor in ordered
    )


def transfers(obligations: Iterable[Obligation], netting: Netting) -> tuple[Transfer, ...]:
    """Return the payments that discharge the obligations, ordered by currency, payer and payee."""
    given = list(obligations)
    if netting is Netting.GROSS:
        made = [_transfer(each.debtor, each.creditor, each.payable) for each in given]
    elif netting is Netting.BILATERAL:
        made = _bilateral(given)
    else:
        made = [_transfer(None, each.party, each.net) for each in positions(given)]
    due = (each for each in made if each.amount.minor)
    return tuple(sorted(due, key=lambda each: (each.amount.currency, str(each.payer or ""), str(each.payee or ""))))


def _bilateral(obligations: Iterable[Obligation]) -> list[Transfer]:
    nets: dict[tuple[str, PartyId, PartyId], int] = {}
    for each in obligations:
        currency, minor = each.payable.currency, each.payable.minor
        if str(each.debtor) < str(each.creditor):
            key, signed = (currency, each.debtor, each.creditor), minor
        else:
            key, signed = (currency, each.creditor, each.debtor), -minor
        nets[key] = nets.get(key, 0) + signed
    return [
        _transfer(payer, payee, Money(minor=minor, currency=currency))
        for (currency, payer, payee), minor in nets.items()
    ]


def _transfer(payer: PartyId | None, payee: PartyId | None, amount: Money) -> Transfer:
    if amount.minor < 0:
        return Transfer(payer=payee, payee=payer, amount=-amount)
    return Transfer(payer=payer, payee=payee, amount=amount)
