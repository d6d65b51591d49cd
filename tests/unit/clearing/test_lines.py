"""From items to lines and taxes: exact, in any order, and a credit undoes its CDR."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.agreements import Rounding
from hub.domain.canonical import MalformedDocument, dump
from hub.domain.clearing.amounts import e4_text, minor_text, parse_e4, parse_minor, round_e4, to_e4
from hub.domain.clearing.items import ClearingItem
from hub.domain.clearing.lines import Line, make_buckets, make_lines, tax_on
from hub.domain.clearing.taxes import TaxRow
from hub.domain.errors import Precondition
from tests.unit.clearing.making import REVERSE_CHARGE, STANDARD_NL, item, items

ROWS = (STANDARD_NL,)


def lines(given: list[ClearingItem], rounding: Rounding = Rounding.ROUND_ONCE, currency: str = "EUR") -> list[Line]:
    return list(make_lines(given, currency=currency, rounding=rounding, rows=ROWS, first_date=date(2026, 9, 1)))


def test_a_line_is_summed_exactly_and_rounded_once() -> None:
    three = [item(number, amount=33) for number in range(3)]  # 0.0033 each: 0.0099 together
    (line,) = lines(three)
    assert (line.exact, line.net) == (99, 1)


def test_per_cdr_rounds_every_cdr() -> None:
    three = [item(number, amount=33) for number in range(3)]
    (line,) = lines(three, Rounding.PER_CDR)
    assert (line.exact, line.net) == (99, 0)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (50, "EUR", 1),
        (-50, "EUR", -1),
        (49, "EUR", 0),
        (10_050, "EUR", 101),
        (15_000, "JPY", 2),
        (-15_000, "JPY", -2),
        (5, "KWD", 1),
    ],
)
def test_a_half_is_rounded_away_from_zero(amount: int, currency: str, minor: int) -> None:
    assert round_e4(amount, currency) == minor


def test_tax_is_computed_on_the_rounded_sum_of_its_lines() -> None:
    # Two lines of 0.02 at 21 %: 0.0084 on the sum rounds to 0.01; 0.0042 on each would have vanished.
    made = lines([item(1, amount=200), item(2, amount=200, country="BE")])
    (bucket,) = make_buckets(made, currency="EUR", rows=ROWS)
    assert (bucket.taxable, bucket.tax) == (4, 1)


@pytest.mark.parametrize(
    ("taxable", "rate", "currency", "tax"),
    [
        (100, "21.00", "EUR", 21),
        (50, "21.00", "EUR", 11),
        (-50, "21.00", "EUR", -11),
        (7, "0.00", "EUR", 0),
        (5, "10.00", "JPY", 1),
    ],
)
def test_tax_is_rounded_once(taxable: int, rate: str, currency: str, tax: int) -> None:
    assert tax_on(taxable, rate, currency) == tax


def test_lines_are_told_apart_by_country_kind_tax_and_month() -> None:
    dated = (
        TaxRow(first_date=date(2026, 1, 1), end_date=date(2026, 9, 15), category="S", rate="21.00", note=""),
        TaxRow(first_date=date(2026, 9, 15), end_date=None, category="S", rate="22.00", note=""),
    )
    given = [
        item(1),
        item(2, country="BE"),
        item(3, tariff_kind="PROFILE_FAST"),
        item(4, tax_date=date(2026, 8, 31)),
        item(5, tax_date=date(2026, 9, 15)),
        item(6),
    ]
    made = make_lines(given, currency="EUR", rounding=Rounding.ROUND_ONCE, rows=dated, first_date=date(2026, 9, 1))
    assert [(line.key.country, line.key.tariff_kind, line.key.tax_rate, line.key.month) for line in made] == [
        ("BE", "REGULAR", "21.00", "2026-09"),
        ("NL", "PROFILE_FAST", "21.00", "2026-09"),
        ("NL", "REGULAR", "21.00", "2026-08"),
        ("NL", "REGULAR", "21.00", "2026-09"),
        ("NL", "REGULAR", "22.00", "2026-09"),
    ]
    assert [line.late_count for line in made] == [0, 0, 1, 0, 0]
    assert made[3].cdr_count == 2


def test_what_no_tax_rule_covers_is_unclassified() -> None:
    with pytest.raises(Precondition, match="no tax rule covers") as caught:
        lines([item(tax_date=date(2001, 1, 1))])
    assert caught.value.reason == "UNCLASSIFIED_TAX"


def test_an_untaxed_bucket_carries_its_note() -> None:
    made = make_lines(
        [item()], currency="EUR", rounding=Rounding.ROUND_ONCE, rows=(REVERSE_CHARGE,), first_date=date(2026, 9, 1)
    )
    (bucket,) = make_buckets(made, currency="EUR", rows=(REVERSE_CHARGE,))
    assert (bucket.category, bucket.tax, bucket.note) == ("AE", 0, "VAT reverse charge")


@given(items(12), st.randoms(), st.sampled_from(Rounding))
def test_the_order_of_the_items_makes_no_difference(given: list[ClearingItem], random: object, how: Rounding) -> None:
    shuffled = list(given)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert lines(shuffled, how) == lines(given, how)


@given(items(12), st.sampled_from(Rounding), st.sampled_from(["EUR", "JPY", "KWD"]))
def test_a_cdr_and_its_credit_are_nothing_in_every_bucket(
    given: list[ClearingItem], how: Rounding, currency: str
) -> None:
    charges = [each for each in given if not each.credit_of]
    both = [*charges, *(each.credited(cdr=f"{each.cdr}-c") for each in charges)]
    for line in lines(both, how, currency):
        assert (line.exact, line.net, line.energy) == (0, 0, 0)
        assert line.cdr_count == line.credit_count
    assert all(bucket.tax == 0 for bucket in make_buckets(lines(both, how, currency), currency=currency, rows=ROWS))


@given(items(12), st.sampled_from(Rounding))
def test_credits_alone_are_the_exact_negative(given: list[ClearingItem], how: Rounding) -> None:
    charges = [each for each in given if not each.credit_of]
    credited = lines([each.credited(cdr=f"{each.cdr}-c") for each in charges], how)
    assert [-line.net for line in credited] == [line.net for line in lines(charges, how)]


@given(items(12))
def test_no_cent_is_lost_between_the_items_and_the_lines(given: list[ClearingItem]) -> None:
    assert sum(line.exact for line in lines(given)) == sum(each.amount for each in given)


def test_sums_far_beyond_28_digits_stay_exact() -> None:
    huge = 10**29
    (line,) = lines([item(1, amount=huge), item(2, amount=1)])
    assert line.exact == huge + 1
    assert round_e4(huge * 100 + 50, "EUR") == huge + 1


def test_a_credit_cannot_be_credited() -> None:
    with pytest.raises(ValueError, match="cannot be credited"):
        item().credited(cdr="NL-CPO/2").credited(cdr="NL-CPO/3")


@given(items(6))
def test_an_item_reads_back_as_it_was_written(given: list[ClearingItem]) -> None:
    for each in given:
        assert ClearingItem.from_bytes(each.to_bytes()) == each


@given(
    st.tuples(st.text(min_size=1), st.text(min_size=1), st.text()),
    st.dates(),
    st.tuples(st.integers(-(10**20), 10**20), st.integers(-(10**20), 10**20)),
)
def test_an_item_is_written_as_any_other_document(
    texts: tuple[str, str, str], day: date, numbers: tuple[int, int]
) -> None:
    (agreement, cdr, credit_of), (amount, energy) = texts, numbers
    made = item(agreement=agreement, cdr=cdr, credit_of=credit_of, tax_date=day, amount=amount, energy=energy)
    document = {
        "format": "roamhub.clearing-item.v1",
        "agreement": agreement,
        "cdr": cdr,
        "creditor": "NL-CPO",
        "debtor": "DE-MSP",
        "currency": "EUR",
        "country": "NL",
        "tariff_kind": "REGULAR",
        "tax_date": day.isoformat(),
        "amount": e4_text(amount),
        "energy_kwh": e4_text(energy),
        "credit_of": credit_of,
    }
    assert made.to_bytes() == dump(document)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"amount":"12.3456"', '"amount":"12.34560"'),
        ('"amount":"12.3456"', '"amount":"-0.0000"'),
        ('"creditor":"NL-CPO"', '"creditor":"nl-cpo"'),
        ('"tax_date":"2026-09-14"', '"tax_date":"20260914"'),
        ('"country":"NL"', '"country":"Nl"'),
        ('"currency":"EUR"', '"currency":"€"'),
        ('"tariff_kind":"REGULAR"', '"tariff_kind":"OTHER"'),
        ('"credit_of":""', '"credit_of":"","more":""'),
        ('"debtor":"DE-MSP"', '"debtor":"NL-CPO"'),
        ("roamhub.clearing-item.v1", "roamhub.clearing-item.v2"),
    ],
)
def test_a_damaged_item_is_refused(was: str, becomes: str) -> None:
    text = item().to_bytes().decode()
    assert was in text
    with pytest.raises(MalformedDocument):
        ClearingItem.from_bytes(text.replace(was, becomes).encode())


@given(st.integers(-(10**20), 10**20))
def test_exact_amounts_survive_their_texts(amount: int) -> None:
    assert parse_e4(e4_text(amount)) == amount
    assert to_e4(Decimal(e4_text(amount))) == amount
    for currency in ("EUR", "JPY", "KWD", "CLF"):
        assert parse_minor(minor_text(amount, currency), currency) == amount


@pytest.mark.parametrize("text", ["1", "1.00", "1.0", "+1.00", "01.00", "1,00", "", "-0.00", "1.00 ", "9" * 50])
def test_amounts_have_one_spelling(text: str) -> None:
    if text == "1.00":
        assert parse_minor(text, "EUR") == 100
    else:
        with pytest.raises(ValueError, match="number"):
            parse_minor(text, "EUR")
    with pytest.raises(ValueError, match="number"):
        parse_e4(text)


@pytest.mark.parametrize(
    ("currency", "text"), [("JPY", "12345"), ("EUR", "123.45"), ("KWD", "12.345"), ("CLF", "1.2345")]
)
def test_a_minor_unit_is_the_currencys(currency: str, text: str) -> None:
    assert minor_text(12_345, currency) == text


def test_an_amount_beyond_the_digits_of_a_default_context_is_exact() -> None:
    assert to_e4(Decimal("1" * 30 + ".0001")) == int("1" * 30 + "0001")


@pytest.mark.parametrize("value", ["0.00001", "NaN", "Infinity", "-Infinity"])
def test_more_than_four_decimals_are_no_exact_amount(value: str) -> None:
    with pytest.raises(ValueError, match="four decimals"):
        to_e4(Decimal(value))
