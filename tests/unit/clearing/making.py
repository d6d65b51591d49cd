"""Plausible clearing items, terms and statements for tests."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from hypothesis import strategies as st

from hub.domain.agreements import Rounding
from hub.domain.clearing.items import TARIFF_KINDS, ClearingItem
from hub.domain.clearing.taxes import TaxRow
from hub.domain.ids import PartyId
from hub.domain.merkle import leaf_hash, root_of
from hub.domain.statements import (
    PeriodTerms,
    Side,
    Statement,
    StatementTerms,
    TreeHead,
    make_manifest,
    make_statement,
)

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
AGREEMENT = "agreements/nl-cpo-de-msp"

STANDARD_NL = TaxRow(first_date=date(2012, 10, 1), end_date=None, category="S", rate="21.00", note="")
REVERSE_CHARGE = TaxRow(
    first_date=date(2010, 1, 1), end_date=None, category="AE", rate="0.00", note="VAT reverse charge"
)


def item(number: int = 1, **changes: object) -> ClearingItem:
    facts: dict[str, object] = {
        "agreement": AGREEMENT,
        "cdr": f"NL-CPO/{number}",
        "creditor": CPO,
        "debtor": EMSP,
        "currency": "EUR",
        "country": "NL",
        "tariff_kind": "REGULAR",
        "tax_date": date(2026, 9, 14),
        "amount": 12_3456,
        "energy": 20_1230,
    }
    return ClearingItem(**{**facts, **changes})  # type: ignore[arg-type]


def items(count: int) -> st.SearchStrategy[list[ClearingItem]]:
    """Draw up to `count` items of one agreement and currency, credits of some among them."""
    charge = st.builds(
        item,
        number=st.integers(1, 10**6),
        country=st.sampled_from(["NL", "BE", "DEU"]),
        tariff_kind=st.sampled_from(sorted(TARIFF_KINDS)),
        tax_date=st.dates(date(2026, 7, 1), date(2026, 9, 30)),
        amount=st.integers(0, 10**8),
        energy=st.integers(0, 10**7),
    )

    def with_credits(charges: list[ClearingItem]) -> st.SearchStrategy[list[ClearingItem]]:
        return st.lists(st.booleans(), min_size=len(charges), max_size=len(charges)).map(
            lambda marks: [
                *charges,
                *(each.credited(cdr=f"{each.cdr}-credit") for each, mark in zip(charges, marks, strict=True) if mark),
            ]
        )

    return st.lists(charge, max_size=count, unique_by=lambda each: each.cdr).flatmap(with_credits)


def terms(*, first_index: int = 0, end_index: int = 100, **changes: object) -> StatementTerms:
    leaves = [leaf_hash(str(number).encode()) for number in range(end_index)]
    facts: dict[str, object] = {
        "hub": "hub.example/clearing",
        "name": f"{AGREEMENT}/periods/2026-09/statements/{str(changes.get('currency', 'EUR')).lower()}",
        "period": PeriodTerms(
            name=f"{AGREEMENT}/periods/2026-09",
            cycle="MONTHLY",
            time_zone="Europe/Amsterdam",
            tz_version="2026.1",
            start_time=datetime(2026, 8, 31, 22, tzinfo=UTC),
            end_time=datetime(2026, 9, 30, 22, tzinfo=UTC),
            first_date=date(2026, 9, 1),
            first_index=first_index,
            end_index=end_index,
        ),
        "before": TreeHead(size=first_index, root=root_of(leaves[:first_index])),
        "after": TreeHead(size=end_index, root=root_of(leaves)),
        "agreement": AGREEMENT,
        "agreement_version": 1,
        "creditor": Side(party=CPO, state="NL", dealer=True),
        "debtor": Side(party=EMSP, state="DE", dealer=True),
        "currency": "EUR",
        "rounding": Rounding.ROUND_ONCE,
        "tax_table": "ab" * 32,
        "tax_rows": (STANDARD_NL,),
    }
    return StatementTerms(**{**facts, **changes})  # type: ignore[arg-type]


def statement(given: Iterable[ClearingItem], **changes: object) -> Statement:
    given = list(given)
    manifest = make_manifest((index, leaf_hash(each.to_bytes())) for index, each in enumerate(given))
    return make_statement(terms(**changes), given, manifest)  # type: ignore[arg-type]
