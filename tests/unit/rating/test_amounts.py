"""What a session comes to: RATING rules 1, 5 to 8 and 10."""

from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal, getcontext, localcontext

import pytest

from hub.domain.ids import PartyId
from hub.domain.rating import LineKind, NoteCode, Price, RatedCdr, policy_named, rate
from hub.domain.rating.policy import (
    ROAMHUB_2026,
    DischargedEnergy,
    FlatRule,
    LimitRule,
    LimitWithoutTax,
    TimeStepRule,
)
from hub.domain.tariffs import OcpiVersion, PriceLimit, ReservationRestriction, Tariff, TaxIncluded
from tests.unit.rating.making import element, period, price, session, tariff

RESERVATION = ReservationRestriction.RESERVATION
EXPIRES = ReservationRestriction.RESERVATION_EXPIRES


def both(cost: Price | None) -> tuple[str | None, str | None] | None:
    if cost is None:
        return None
    return (
        None if cost.before_taxes is None else str(cost.before_taxes.normalize() + 0),
        None if cost.after_taxes is None else str(cost.after_taxes.normalize() + 0),
    )


def total(rated: RatedCdr) -> str:
    assert rated.total_cost.before_taxes is not None
    return f"{rated.total_cost.before_taxes:f}"


def limit(before: str | None = None, after: str | None = None) -> PriceLimit:
    return PriceLimit(
        before_taxes=None if before is None else Decimal(before),
        after_taxes=None if after is None else Decimal(after),
    )


class TestRounding:
    """Once per total, at the end, to four decimals, half away from zero."""

    @pytest.mark.parametrize(
        ("volume", "expected"), [("0.00005", "0.0001"), ("0.00004", "0.0000"), ("1.00015", "1.0002")]
    )
    def test_a_half_is_rounded_away_from_zero(self, volume: str, expected: str) -> None:
        rated = rate(session(period(ENERGY=volume)), [tariff(element(price("ENERGY", "1", step=0)))])
        assert total(rated) == expected

    def test_a_negative_price_rounds_to_the_negated_amount(self) -> None:
        rated = rate(session(period(ENERGY="1.00015")), [tariff(element(price("ENERGY", "-1", step=0)))])
        assert total(rated) == "-1.0002"

    def test_the_parts_are_rounded_apart_from_the_total(self) -> None:
        chosen = tariff(element(price("ENERGY", "1", step=0), price("FLAT", "0.00004")))
        rated = rate(session(period(ENERGY="0.00004")), [chosen])
        assert (both(rated.total_energy_cost), both(rated.total_fixed_cost), total(rated)) == (
            ("0", "0"),
            ("0", "0"),
            "0.0001",
        )
        assert {(entry.total, entry.side) for entry in rated.roundings} >= {("total_cost", "before_taxes")}

    def test_thirds_of_a_cent_add_up_to_the_cent(self) -> None:
        # Each 10 s at 0.54 an hour are 0.0015: five 1/3 parts of 0.00075 must reach the tie and be rounded up.
        chosen = tariff(element(price("TIME", "0.06", step=0)))
        seconds = Decimal(1) / 3600
        rated = rate(session(*(period(n, TIME=seconds) for n in range(3))), [chosen])
        assert total(rated) == "0.0001"
        assert sum(line.before_taxes or 0 for line in rated.lines) == Decimal("0.00005")

    def test_a_total_that_needed_no_rounding_is_not_listed(self) -> None:
        rated = rate(session(period(ENERGY=2)), [tariff(element(price("ENERGY", "0.25", vat="10")))])
        assert rated.roundings == ()


class TestStepSize:
    """Once per session and dimension, on the priced total, with the step of the last priced component."""

    @pytest.mark.parametrize(
        ("volume", "step", "billed"),
        [
            ("0.1152", 1, "0.116"),
            ("0.1152", 25, "0.125"),
            ("0.1152", 500, "0.5"),
            ("0.1152", 0, "0.1152"),
            ("0.1", 100, "0.1"),
            ("0.1001", 100, "0.2"),
            ("0.10000000001", 100, "0.10000000001"),
            ("20.000000000000004", 500, "20.000000000000004"),
        ],
    )
    def test_energy_steps_are_in_wh_and_noise_buys_no_block(self, volume: str, step: int, billed: str) -> None:
        rated = rate(session(period(ENERGY=volume)), [tariff(element(price("ENERGY", "1", step=step)))])
        assert sum(line.quantity for line in rated.lines) == Decimal(billed)

    @pytest.mark.parametrize(
        ("hours", "step", "seconds"),
        [("0.1667", 600, 600), ("0.1669", 600, 1200), ("0.1667", 1, 600), ("0.1", 0, 360), ("0.1", 300, 600)],
    )
    def test_durations_snap_to_whole_seconds_before_they_step(self, hours: str, step: int, seconds: int) -> None:
        rated = rate(session(period(TIME=hours)), [tariff(element(price("TIME", "1", step=step)))])
        assert sum(line.quantity for line in rated.lines) == seconds

    def test_the_total_is_stepped_not_each_period(self) -> None:
        chosen = tariff(element(price("TIME", "5", step=600), max_duration=360), element(price("TIME", "7", step=600)))
        rated = rate(session(period(TIME="0.1"), period(6, TIME="0.3667"), minutes=28), [chosen])
        assert [(line.kind, str(line.quantity)) for line in rated.lines] == [
            ("USAGE", "360"),
            ("USAGE", "1320"),
            ("STEP", "120"),
        ]
        assert total(rated) == "3.3000"
        assert rated.has(NoteCode.STEP_SIZE_ON_SWITCH)

    def test_one_price_throughout_needs_no_note_of_a_switch(self) -> None:
        rated = rate(session(period(TIME="0.11")), [tariff(element(price("TIME", "1", step=600)))])
        assert not rated.notes

    def test_the_last_priced_component_gives_step_and_price_even_before_a_free_end(self) -> None:
        # The specification's example of parking that becomes free: 8 minutes are billed as 15.
        chosen = tariff(
            element(price("PARKING_TIME", "1", step=900), max_duration=1200), element(price("TIME", "2.4", step=900))
        )
        rated = rate(
            session(period(TIME="0.2"), period(12, PARKING_TIME="0.1333"), period(20, PARKING_TIME="0.2"), minutes=32),
            [chosen],
        )
        assert total(rated) == "0.7300"

    def test_unpriced_volume_counts_towards_no_step(self) -> None:
        chosen = tariff(element(price("ENERGY", "1", step=1000), min_kwh=Decimal("0.5")))
        rated = rate(session(period(ENERGY="0.5"), period(30, ENERGY="0.7")), [chosen])
        assert total(rated) == "1.0000"

    def test_time_is_not_stepped_where_parking_is_priced(self) -> None:
        chosen = tariff(element(price("TIME", "1", step=600), price("PARKING_TIME", "2", step=600)))
        rated = rate(session(period(TIME="0.35"), period(21, PARKING_TIME="0.2667"), minutes=37), [chosen])
        assert total(rated) == str(Decimal("0.35") + Decimal("0.6667"))
        assert rated.has(NoteCode.STEP_SIZE_LEFT_TO_PARKING)

    def test_time_is_stepped_where_parking_is_free_or_of_no_length(self) -> None:
        free = tariff(element(price("TIME", "6", step=600)))
        rated = rate(session(period(TIME="0.35"), period(21, PARKING_TIME="0.2667"), minutes=37), [free])
        assert total(rated) == "3.0000"
        zero = tariff(element(price("TIME", "6", step=600), price("PARKING_TIME", "6", step=600)))
        assert total(rate(session(period(TIME="0.35", PARKING_TIME=0)), [zero])) == "3.0000"

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (TimeStepRule.PARKING_TAKES_IT, "1.8000"),  # 10 min parking, 8 min charging
            (TimeStepRule.LAST_TIME_BASED, "1.6000"),  # 6 min parking, 10 min charging
            (TimeStepRule.EACH_DIMENSION, "2.0000"),  # 10 and 10
        ],
    )
    def test_park_then_charge_is_a_matter_of_policy(self, rule: TimeStepRule, expected: str) -> None:
        chosen = tariff(element(price("TIME", "6", step=600), price("PARKING_TIME", "6", step=600)))
        charged = session(period(PARKING_TIME="0.1"), period(6, TIME="0.1333"), minutes=14)
        assert total(rate(charged, [chosen], replace(ROAMHUB_2026, time_step=rule))) == expected

    def test_charge_then_park_steps_parking_under_either_reading(self) -> None:
        chosen = tariff(element(price("TIME", "6", step=600), price("PARKING_TIME", "6", step=600)))
        charged = session(period(TIME="0.1333"), period(8, PARKING_TIME="0.1"), minutes=14)
        for name in ("roamhub-2026", "last-time-based-2026"):
            assert total(rate(charged, [chosen], policy_named(name))) == "1.8000"

    def test_the_volumes_stay_as_measured(self) -> None:
        chosen = tariff(element(price("ENERGY", "1", step=500), price("PARKING_TIME", "2", step=900)))
        rated = rate(session(period(ENERGY="0.1"), period(50, PARKING_TIME="0.1667")), [chosen])
        assert (str(rated.total_energy), str(rated.total_time), str(rated.total_parking_time)) == (
            "0.1000",
            "1.0000",
            "0.1667",
        )

    def test_a_switch_of_tariff_takes_no_step_of_its_own(self) -> None:
        first = tariff(element(price("ENERGY", "1", step=1000)), id="A")
        second = tariff(element(price("ENERGY", "2", step=1000)), id="B")
        charged = session(period(ENERGY="0.3", tariff_id="A"), period(30, ENERGY="0.3", tariff_id="B"))
        rated = rate(charged, [first, second])
        assert total(rated) == "1.7000"  # 0.3 + 0.6 + 0.4 kWh more at the last price
        assert rated.lines[-1].tariff == "B"


class TestFlat:
    """Once per session, the first one active."""

    def test_a_fee_is_paid_once_however_many_periods_there_are(self) -> None:
        rated = rate(session(period(TIME=1), period(20, TIME=1), period(40)), [tariff(element(price("FLAT", "1")))])
        assert both(rated.total_fixed_cost) == ("1", "1")
        assert not rated.notes

    def test_a_fee_that_becomes_active_later_is_paid_then(self) -> None:
        chosen = tariff(element(price("FLAT", "1"), min_kwh=Decimal(5)))
        assert rate(session(period(ENERGY=4), period(30, ENERGY=1)), [chosen]).total_fixed_cost is None
        rated = rate(session(period(ENERGY=5), period(30, ENERGY=1)), [chosen])
        assert (both(rated.total_fixed_cost), rated.lines[1].kind, rated.lines[1].period) == (("1", "1"), "FLAT", 1)

    def test_of_several_fees_the_first_active_one_is_paid(self) -> None:
        chosen = tariff(element(price("FLAT", "1"), max_kwh=Decimal(5)), element(price("FLAT", "2")))
        charged = session(period(ENERGY=5), period(30, ENERGY=1))
        rated = rate(charged, [chosen])
        assert both(rated.total_fixed_cost) == ("1", "1")
        assert rated.has(NoteCode.SEVERAL_FLATS)
        each = rate(charged, [chosen], replace(ROAMHUB_2026, flat=FlatRule.EACH_COMPONENT))
        assert both(each.total_fixed_cost) == ("3", "3")

    def test_a_free_session_costs_nothing_but_has_a_fee_of_nothing(self) -> None:
        rated = rate(session(period(ENERGY=5)), [tariff(element(price("FLAT", "0", step=0)))])
        assert (both(rated.total_cost), both(rated.total_fixed_cost)) == (("0", "0"), ("0", "0"))


def reserved(**fields: object) -> Tariff:
    return tariff(
        element(price("FLAT", "2", vat="20"), price("TIME", "5", vat="20", step=300), reservation=RESERVATION),
        element(price("FLAT", "0.5", vat="20"), price("ENERGY", "0.25", vat="10")),
        **fields,
    )


class TestReservation:
    """A reservation has its own FLAT and TIME; its elements never price charging."""

    def test_the_specifications_fee_and_time_example(self) -> None:
        charged = session(period(RESERVATION_TIME="0.2167"), period(13, ENERGY=20), minutes=60)
        rated = rate(charged, [reserved()])
        assert both(rated.total_cost) == ("8.75", "10")
        assert both(rated.total_reservation_cost) == ("3.25", "3.9")
        assert both(rated.total_fixed_cost) == ("0.5", "0.6")
        assert rated.total_time_cost is None

    def test_reservation_elements_price_no_charging(self) -> None:
        rated = rate(session(period(ENERGY=1, TIME=1)), [reserved()])
        assert rated.total_reservation_cost is None
        assert rated.total_time_cost is None

    def test_charging_elements_price_no_reservation(self) -> None:
        chosen = tariff(element(price("TIME", "1"), price("FLAT", "1")))
        rated = rate(session(period(RESERVATION_TIME=1)), [chosen])
        assert both(rated.total_cost) == ("0", "0")
        assert [line.kind for line in rated.lines] == ["FREE"]

    def test_the_time_of_a_reservation_is_stepped_though_parking_is_priced(self) -> None:
        chosen = tariff(
            element(price("TIME", "6", step=600), reservation=RESERVATION),
            element(price("PARKING_TIME", "6", step=600)),
        )
        charged = session(period(RESERVATION_TIME="0.1"), period(6, PARKING_TIME="0.1"), minutes=12)
        assert total(rate(charged, [chosen])) == "2.0000"

    expiring = (
        element(price("FLAT", "4"), reservation=EXPIRES),
        element(price("FLAT", "1"), price("TIME", "3", step=600), reservation=RESERVATION),
        element(price("FLAT", "0.5")),
    )

    def test_an_expired_reservation_pays_its_fee_on_top(self) -> None:
        charged = session(period(RESERVATION_TIME=1), reservation_expired=True)
        rated = rate(charged, [tariff(*self.expiring)])
        assert (total(rated), both(rated.total_reservation_cost)) == ("8.0000", ("8", "8"))

    def test_a_used_reservation_pays_no_fee_for_expiry(self) -> None:
        charged = session(period(RESERVATION_TIME=1), period(60, ENERGY=1), minutes=90)
        rated = rate(charged, [tariff(*self.expiring)])
        assert total(rated) == "4.5000"
        assert not rated.has(NoteCode.RESERVATION_OUTCOME_ASSUMED)

    def test_an_outcome_that_nobody_stated_is_assumed_with_a_note(self) -> None:
        rated = rate(session(period(RESERVATION_TIME=1)), [tariff(*self.expiring)])
        assert total(rated) == "4.0000"
        assert rated.has(NoteCode.RESERVATION_OUTCOME_ASSUMED)
        assert not rate(session(period(RESERVATION_TIME=1)), [reserved()]).notes

    def test_the_time_of_an_expired_reservation_replaces_that_of_a_used_one(self) -> None:
        chosen = tariff(
            element(price("TIME", "6", vat="20", step=600), reservation=EXPIRES),
            element(price("TIME", "3", vat="20", step=600), reservation=RESERVATION),
        )
        expired = session(period(RESERVATION_TIME="1.5"), minutes=90, reservation_expired=True)
        assert both(rate(expired, [chosen]).total_cost) == ("9", "10.8")
        used = session(period(RESERVATION_TIME="1.5"), minutes=90)
        assert both(rate(used, [chosen]).total_cost) == ("4.5", "5.4")

    def test_the_session_starts_where_the_reservation_ends(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), max_duration=600), element(price("ENERGY", "9")))
        charged = session(period(RESERVATION_TIME="0.25"), period(15, ENERGY=1), minutes=60)
        assert rate(charged, [chosen]).lines[-1].element == 0

    def test_limits_bind_charging_sessions_alone(self) -> None:
        chosen = tariff(*self.expiring, min_price=limit("20"))
        assert total(rate(session(period(RESERVATION_TIME=1)), [chosen])) == "4.0000"
        assert total(rate(session(period(RESERVATION_TIME=1), period(60, ENERGY=1)), [chosen])) == "20.0000"


class TestLimits:
    """min_price and max_price clamp only the total, before and after tax independently."""

    energy = element(price("ENERGY", "0.25", vat="10"))

    @pytest.mark.parametrize(
        ("kwh", "expected"), [("1", ("0.5", "0.55")), ("2", ("0.5", "0.55")), ("3", ("0.75", "0.825"))]
    )
    def test_a_minimum_raises_the_total(self, kwh: str, expected: tuple[str, str]) -> None:
        rated = rate(session(period(ENERGY=kwh)), [tariff(self.energy, min_price=limit("0.5", "0.55"))])
        assert both(rated.total_cost) == expected
        assert rated.has(NoteCode.MIN_PRICE_APPLIED) is (kwh == "1")

    def test_a_maximum_lowers_the_total_and_leaves_the_parts(self) -> None:
        chosen = tariff(
            element(price("FLAT", "0.5", vat="20"), price("ENERGY", "0.25", vat="10")), max_price=limit("10", "11")
        )
        rated = rate(session(period(ENERGY=50)), [chosen])
        assert (both(rated.total_cost), both(rated.total_energy_cost)) == (("10", "11"), ("12.5", "13.75"))
        assert rated.has(NoteCode.MAX_PRICE_APPLIED)
        moved = rated.lines[-1]
        assert (moved.kind, moved.before_taxes, moved.after_taxes) == (LineKind.LIMIT, Decimal(-3), Decimal("-3.35"))

    def test_the_sides_are_clamped_independently(self) -> None:
        rated = rate(session(period(ENERGY=4)), [tariff(self.energy, min_price=limit("0.5", "1.2"))])
        assert both(rated.total_cost) == ("1", "1.2")

    @pytest.mark.parametrize(
        ("least", "most", "kwh", "expected"),
        [
            (limit("2"), None, "4", ("2", "2.2")),
            (limit(None, "2.2"), None, "4", ("2", "2.2")),
            (None, limit("0.5"), "4", ("0.5", "0.55")),
            (None, limit(None, "0.55"), "4", ("0.5", "0.55")),
        ],
    )
    def test_a_limit_on_one_side_moves_the_other_in_proportion(
        self, least: PriceLimit | None, most: PriceLimit | None, kwh: str, expected: tuple[str, str]
    ) -> None:
        chosen = tariff(self.energy, min_price=least, max_price=most)
        rated = rate(session(period(ENERGY=kwh)), [chosen])
        assert both(rated.total_cost) == expected
        assert rated.has(NoteCode.LIMIT_WITHOUT_TAX)

    def test_a_limit_on_one_side_leaves_the_other_where_the_policy_says_so(self) -> None:
        policy = replace(ROAMHUB_2026, limit_without_tax=LimitWithoutTax.LEAVE)
        rated = rate(session(period(ENERGY=4)), [tariff(self.energy, min_price=limit("2"))], policy)
        assert both(rated.total_cost) == ("2", "1.1")

    def test_nothing_billed_scales_by_the_one_rate_there_is(self) -> None:
        free = element(price("ENERGY", "0", vat="10"))
        rated = rate(session(period(ENERGY=4)), [tariff(free, min_price=limit("2"))])
        assert both(rated.total_cost) == ("2", "2.2")
        two = element(price("ENERGY", "0", vat="10"), price("FLAT", "0", vat="20"))
        assert both(rate(session(period(ENERGY=4)), [tariff(two, min_price=limit("2"))]).total_cost) == ("2", None)

    def test_a_maximum_below_the_minimum_holds(self) -> None:
        chosen = tariff(self.energy, min_price=limit("5", "5.5"), max_price=limit("2", "2.2"))
        rated = rate(session(period(ENERGY=4)), [chosen])
        assert both(rated.total_cost) == ("2", "2.2")
        assert rated.has(NoteCode.LIMITS_CONTRADICT)

    def test_an_unknown_tax_stays_unknown_though_a_limit_names_it(self) -> None:
        chosen = tariff(element(price("ENERGY", "1")), version=OcpiVersion.V2_1_1, min_price=limit("5", "6"))
        assert both(rate(session(period(ENERGY=4)), [chosen]).total_cost) == ("5", None)

    def test_limits_of_several_tariffs_all_bind(self) -> None:
        first = tariff(element(price("ENERGY", "1")), id="A", max_price=limit("3", "3"))
        second = tariff(element(price("ENERGY", "1")), id="B", max_price=limit("2", "2"), min_price=limit("1", "1"))
        charged = session(period(ENERGY=5, tariff_id="A"), period(30, ENERGY=5, tariff_id="B"))
        expected = {LimitRule.ALL_TARIFFS: "2.0000", LimitRule.FIRST_TARIFF: "3.0000", LimitRule.NONE: "10.0000"}
        for rule, cost in expected.items():
            assert total(rate(charged, [first, second], replace(ROAMHUB_2026, limits=rule))) == cost

    def test_a_tariff_that_no_period_had_binds_nothing(self) -> None:
        first = tariff(element(price("ENERGY", "1")), id="A", max_price=limit("1", "1"))
        second = tariff(element(price("ENERGY", "1")), id="B")
        charged = session(period(ENERGY=5, tariff_id="B"))
        assert total(rate(charged, [first, second])) == "5.0000"


class TestTaxes:
    """Per component; what is not known is not guessed."""

    def taxed(self, vat: str | None = None, **fields: object) -> RatedCdr:
        return rate(session(period(ENERGY=10)), [tariff(element(price("ENERGY", "1.21", vat=vat)), **fields)])

    def test_an_absent_rate_is_no_tax_in_2_2_1(self) -> None:
        rated = self.taxed()
        assert both(rated.total_cost) == ("12.1", "12.1")
        assert not rated.notes

    def test_an_absent_rate_is_an_unknown_tax_in_2_1_1(self) -> None:
        rated = self.taxed(version=OcpiVersion.V2_1_1)
        assert both(rated.total_cost) == both(rated.total_energy_cost) == ("12.1", None)
        assert rated.has(NoteCode.UNKNOWN_TAX)
        assert rated.taxes == ()

    def test_one_unknown_part_makes_the_total_unknown_and_not_the_other_parts(self) -> None:
        chosen = tariff(element(price("ENERGY", "1", vat="10"), price("FLAT", "1")), version=OcpiVersion.V2_1_1)
        rated = rate(session(period(ENERGY=1)), [chosen])
        assert (both(rated.total_cost), both(rated.total_energy_cost)) == (("2", None), ("1", "1.1"))

    def test_a_rate_of_zero_is_known(self) -> None:
        assert both(self.taxed("0", version=OcpiVersion.V2_1_1).total_cost) == ("12.1", "12.1")

    @pytest.mark.parametrize("version", [OcpiVersion.V2_2_1, OcpiVersion.V2_3_0])
    def test_tax_included_takes_the_tax_out_of_the_price(self, version: OcpiVersion) -> None:
        rated = self.taxed("21", version=version, tax_included=TaxIncluded.YES)
        assert both(rated.total_cost) == ("10", "12.1")

    def test_tax_not_included_adds_it(self) -> None:
        rated = self.taxed("21", version=OcpiVersion.V2_3_0, tax_included=TaxIncluded.NO)
        assert both(rated.total_cost) == ("12.1", "14.641")

    def test_no_tax_applies_where_the_tariff_says_so(self) -> None:
        rated = self.taxed("21", version=OcpiVersion.V2_3_0, tax_included=TaxIncluded.NOT_APPLICABLE)
        assert both(rated.total_cost) == ("12.1", "12.1")

    @pytest.mark.parametrize(
        ("country", "included", "expected"),
        [
            ("CA", TaxIncluded.NO, ("12.1", None)),
            ("US", TaxIncluded.YES, (None, "12.1")),
            ("DE", TaxIncluded.NO, ("12.1", "12.1")),
            ("DE", TaxIncluded.YES, ("12.1", "12.1")),
            ("US", TaxIncluded.NOT_APPLICABLE, ("12.1", "12.1")),
        ],
    )
    def test_north_american_taxes_are_not_known_beforehand(
        self, country: str, included: TaxIncluded, expected: tuple[str | None, str | None]
    ) -> None:
        rated = self.taxed(party=PartyId(country, "ABC"), version=OcpiVersion.V2_3_0, tax_included=included)
        assert both(rated.total_cost) == expected
        assert rated.has(NoteCode.UNKNOWN_TAX) is (None in expected)

    def test_tax_lines_add_up_to_the_difference_of_the_totals(self) -> None:
        chosen = tariff(
            element(
                price("ENERGY", "0.3333", vat="21"), price("FLAT", "0.33333", vat="9"), price("TIME", "0.7", vat="21")
            )
        )
        rated = rate(session(period(ENERGY="3.333", TIME="0.7777")), [chosen])
        assert rated.total_cost.after_taxes is not None
        assert rated.total_cost.before_taxes is not None
        assert sum(line.amount for line in rated.taxes) == rated.total_cost.after_taxes - rated.total_cost.before_taxes
        assert {line.vat for line in rated.taxes} == {Decimal(9), Decimal(21)}

    def test_what_rounding_leaves_over_goes_to_the_largest_tax(self) -> None:
        chosen = tariff(
            element(
                price("FLAT", "0.0013", vat="21"), price("ENERGY", "0.0043", vat="21"), price("TIME", "0.0016", vat="9")
            )
        )
        rated = rate(session(period(ENERGY=1, TIME=1)), [chosen])
        assert [(line.vat, str(line.base), str(line.amount)) for line in rated.taxes] == [
            (Decimal(21), "0.0056", "0.0012"),
            (Decimal(9), "0.0016", "0.0001"),
        ]
        # 0.001176 + 0.000144 are 0.0013 together; 0.0012 + 0.0001 as well. With 10 % more they are not:
        chosen = tariff(element(price("FLAT", "0.0024", vat="6"), price("ENERGY", "0.0024", vat="9.5")))
        rated = rate(session(period(ENERGY=1)), [chosen])
        assert (str(rated.total_cost.before_taxes), str(rated.total_cost.after_taxes)) == ("0.0048", "0.0052")
        assert [(line.vat, str(line.amount)) for line in rated.taxes] == [
            (Decimal(6), "0.0001"),
            (Decimal("9.5"), "0.0003"),
        ]
        # The same the other way round.
        chosen = tariff(element(price("FLAT", "0.0024", vat="9.5"), price("ENERGY", "0.0024", vat="6")))
        assert [(line.vat, str(line.amount)) for line in rate(session(period(ENERGY=1)), [chosen]).taxes] == [
            (Decimal("9.5"), "0.0003"),
            (Decimal(6), "0.0001"),
        ]

    def test_what_a_limit_moved_is_a_tax_line_of_its_own(self) -> None:
        rated = rate(
            session(period(ENERGY=50)),
            [tariff(element(price("ENERGY", "0.25", vat="10")), max_price=limit("10", "11"))],
        )
        assert [(line.vat, line.limit, str(line.base), str(line.amount)) for line in rated.taxes] == [
            (Decimal(10), False, "12.5000", "1.2500"),
            (None, True, "-2.5000", "-0.2500"),
        ]


class TestTotals:
    """total_cost is the sum of its parts; a part is absent where it does not occur."""

    def test_every_part_has_its_total(self) -> None:
        chosen = tariff(
            element(price("TIME", "1"), reservation=RESERVATION),
            element(price("FLAT", "2"), price("ENERGY", "3"), price("TIME", "4"), price("PARKING_TIME", "5")),
        )
        rated = rate(
            session(period(RESERVATION_TIME=1), period(60, ENERGY=1, TIME=1), period(120, PARKING_TIME=1), minutes=180),
            [chosen],
        )
        parts = [
            rated.total_reservation_cost,
            rated.total_fixed_cost,
            rated.total_energy_cost,
            rated.total_time_cost,
            rated.total_parking_cost,
        ]
        assert [both(part) for part in parts] == [(str(n), str(n)) for n in range(1, 6)]
        assert total(rated) == "15.0000"

    def test_total_time_is_the_length_of_the_session_with_parking(self) -> None:
        rated = rate(session(period(TIME=1), period(60, PARKING_TIME="0.5"), minutes=90), [tariff()])
        assert (str(rated.total_time), str(rated.total_parking_time)) == ("1.5000", "0.5000")

    def test_a_session_without_periods_costs_nothing(self) -> None:
        rated = rate(session(), [tariff(element(price("FLAT", "1")), min_price=limit("5", "5"))])
        assert both(rated.total_cost) == ("0", "0")
        assert rated.lines == ()

    def test_unreported_time_is_noted_and_billed_only_by_a_lenient_policy(self) -> None:
        chosen = tariff(element(price("TIME", "6", step=0)))
        charged = session(period(ENERGY=1), minutes=10)
        rated = rate(charged, [chosen])
        assert (total(rated), rated.has(NoteCode.MISSING_TIME)) == ("0.0000", True)
        assert total(rate(charged, [chosen], policy_named("lenient-2026"))) == "1.0000"
        assert not rate(session(period(TIME=0), minutes=10), [chosen]).notes

    def test_energy_fed_back_is_free_unless_the_policy_nets_it(self) -> None:
        chosen = tariff(element(price("ENERGY", "1"), max_kwh=Decimal(3)), element(price("ENERGY", "2")))
        charged = session(period(ENERGY=3), period(20, ENERGY=-1), period(40, ENERGY=1))
        rated = rate(charged, [chosen])
        assert (total(rated), str(rated.total_energy)) == ("5.0000", "3.0000")
        assert rated.has(NoteCode.DISCHARGE_NOT_PRICED)
        netted = rate(charged, [chosen], replace(ROAMHUB_2026, discharged_energy=DischargedEnergy.NETTED))
        assert total(netted) == "2.0000"
        assert not netted.notes

    def test_an_assumed_time_zone_is_noted(self) -> None:
        rated = rate(session(period(ENERGY=1), time_zone_assumed=True), [tariff()])
        assert rated.has(NoteCode.TIME_ZONE_ASSUMED)

    def test_unknown_components_are_noted_once(self) -> None:
        odd = replace(element(price("ENERGY", "1")), unknown_types=("SESSION_TIME", "SESSION_TIME"))
        rated = rate(session(period(ENERGY=1), period(30, ENERGY=1)), [tariff(odd)])
        assert [note.code for note in rated.notes] == [NoteCode.UNKNOWN_COMPONENT]

    def test_results_of_equal_input_are_equal(self) -> None:
        chosen = tariff(element(price("ENERGY", "1")))
        assert rate(session(period(ENERGY=1)), [chosen]) == rate(session(period(ENERGY=1)), [chosen])

    def test_the_ambient_decimal_context_is_left_alone_and_not_used(self) -> None:
        before = getcontext().prec
        chosen = tariff(element(price("ENERGY", "123456789.123456789123", step=0)))
        rated = rate(session(period(ENERGY="99999999.123456789123")), [chosen])
        assert getcontext().prec == before
        assert total(rated) == _exact_product()


def _exact_product() -> str:
    with localcontext(Context(prec=60)):
        product = Decimal("123456789.123456789123") * Decimal("99999999.123456789123")
        return f"{product.quantize(Decimal('0.0001'), ROUND_HALF_UP):f}"
