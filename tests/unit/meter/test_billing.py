"""What a valid signature is not yet enough for."""

from typing import Any

import pytest

from tests.unit.meter.making import BEGIN, END, Meter, payload, reading, reasons, verdicts

METER = Meter()


def _single(*readings: dict[str, Any], **fields: Any) -> list[str]:
    (found,) = reasons(METER.billed(METER.ocmf(payload(*readings, **fields))))
    return found


def _begin(page: str | None = "T1", **fields: Any) -> str:
    return METER.ocmf(payload(BEGIN, page=page, **fields))


def _end(page: str | None = "T2", **fields: Any) -> str:
    return METER.ocmf(payload(END, page=page, **fields))


def test_a_whole_transaction_in_one_document_is_billable() -> None:
    (verdict,) = METER.billed(METER.ocmf(payload(BEGIN, END)))
    assert (verdict.billable, verdict.reasons, str(verdict.energy_kwh)) == (True, (), "22.5")


def test_begin_and_end_in_documents_of_their_own_are_billable_in_any_order() -> None:
    for documents in ((_begin(), _end()), (_end(), _begin())):
        found = METER.billed(*documents)
        assert [(each.billable, each.transaction, str(each.energy_kwh)) for each in found] == [(True, 0, "22.5")] * 2


@pytest.mark.parametrize("event", "ELRAP")
def test_a_transaction_ends_in_five_ways(event: str) -> None:
    assert _single(BEGIN, {**END, "TX": event}) == []


SINGLE: dict[str, tuple[list[dict[str, Any]], list[str]]] = {
    "begin_missing": ([END], ["begin_missing"]),
    "end_missing": ([BEGIN], ["end_missing"]),
    "no transaction at all": ([reading(None, "5")], ["no_transaction"]),
    "no readings": ([], ["no_transaction"]),
    "status of the begin": ([{**BEGIN, "ST": "M"}, END], ["status_not_good"]),
    "status of the end": ([BEGIN, {**END, "ST": "E"}], ["status_not_good"]),
    "status is inherited": ([{**BEGIN, "ST": "T"}, {k: v for k, v in END.items() if k != "ST"}], ["status_not_good"]),
    "no status": ([{k: v for k, v in each.items() if k != "ST"} for each in (BEGIN, END)], ["status_not_good"]),
    "energy flagged": ([BEGIN, {**END, "EF": "E"}], ["error_flags"]),
    "time flagged": ([{**BEGIN, "EF": "t"}, END], ["error_flags"]),
    "flags of another register": ([BEGIN, END, reading("E", 1, RI="1-0:2.8.0", EF="E")], ["error_flags"]),
    "exception": ([BEGIN, reading("X", "12"), END], ["exception_recorded"]),
    "energy backwards": ([BEGIN, {**END, "RV": "9.9"}], ["energy_runs_backwards"]),
    "energy backwards between": ([BEGIN, reading("C", "40"), END], ["energy_runs_backwards"]),
    "end before begin": ([END, BEGIN], ["records_out_of_order"]),
    "two begins": ([BEGIN, BEGIN, END], ["records_out_of_order"]),
    "two ends": ([BEGIN, END, END], ["records_out_of_order"]),
    "a reading after the end": ([BEGIN, END, reading("C", "33")], ["records_out_of_order"]),
    "registers differ": ([BEGIN, {**END, "RI": "1-b:1.8.1"}], ["no_energy_register"]),
    "export only": ([{**BEGIN, "RI": "1-0:2.8.0"}, {**END, "RI": "1-0:2.8.0"}], ["no_energy_register"]),
    "no energy": ([{**BEGIN, "RU": "sec"}, {**END, "RU": "sec"}], ["no_energy_register"]),
    "more power than there is": ([BEGIN, {**END, "RV": "5100"}], ["energy_implausible"]),
    "time backwards": ([BEGIN, {**END, "TM": "2026-03-01T11:59:59,000+0000 S"}], ["time_runs_backwards"]),
}


@pytest.mark.parametrize(("readings", "expected"), SINGLE.values(), ids=SINGLE)
def test_one_document_is_not_billable(readings: list[dict[str, Any]], expected: list[str]) -> None:
    assert _single(*readings) == expected


def test_energy_without_a_clock_is_bounded_too() -> None:
    free = [{**BEGIN, "TM": "1970-01-01T00:00:00,000+0000 U"}, {**END, "TM": "1970-01-01T00:00:00,000+0000 U"}]
    assert _single(*free) == []
    assert _single(free[0], {**free[1], "RV": "30000"}) == ["energy_implausible"]


def test_watt_hours_padded_strings_and_other_registers_are_read() -> None:
    begin = reading("B", "      1000", RU="Wh", RI="01-00:B2.08.00*FF")
    end = [reading("E", 7, RU="sec", RI="01-00:00.08.06*FF"), reading("E", 1.5e3, RU="Wh", RI="01-00:B2.08.00*FF")]
    (verdict,) = METER.billed(METER.ocmf(payload(begin, *end)))
    assert (verdict.billable, str(verdict.energy_kwh)) == (True, "0.5000")


PAIRS: dict[str, tuple[list[str], list[list[str]]]] = {
    "same page": ([_begin("T2"), _end("T2")], [["pagination_not_monotone"]] * 2),
    "end on an earlier page": ([_begin("T3"), _end("T2")], [["end_missing"], ["begin_missing"]]),
    "no page": ([_begin(None), _end("T2")], [["pagination_missing"]] * 2),
    "another user's end": ([_begin(), _end(ID="05CD")], [["end_missing"], ["begin_missing"]]),
    "another meter's end": ([_begin(), _end(MS="M2")], [["end_missing"], ["begin_missing"]]),
    "the same end twice": ([_begin(), _end(), _end()], [[], [], ["duplicate"]]),
    "the same whole twice": ([METER.ocmf(payload(BEGIN, END))] * 2, [[], ["duplicate"]]),
    "a begin that never ended": (
        [_begin(), METER.ocmf(payload(reading("B", "20"), page="T2")), _end("T3")],
        [["end_missing"], [], []],
    ),
    "a begin of its own session": ([_begin(), METER.ocmf(payload(BEGIN, END, page="T9"))], [["end_missing"], []]),
    "an end that was changed": (
        [_begin(), _end().replace("32.5", "99.5")],
        [["other_part_not_valid"], ["signature_invalid"]],
    ),
}


@pytest.mark.parametrize(("documents", "expected"), PAIRS.values(), ids=PAIRS)
def test_documents_together_are_judged_together(documents: list[str], expected: list[list[str]]) -> None:
    assert reasons(METER.billed(*documents)) == expected


def test_two_trusted_keys_do_not_share_a_transaction() -> None:
    other = Meter()
    documents = f"{_begin()}\n{other.ocmf(payload(END, page='T2'))}"
    found = verdicts(documents, METER.spki.hex(), other.spki.hex())
    assert [each.signature for each in found] == ["valid", "valid"]
    assert reasons(found) == [["keys_differ"]] * 2


def test_two_transactions_of_one_user_in_a_file_stay_apart() -> None:
    later = [
        METER.ocmf(payload(reading("B", "40"), page="T3")),
        METER.ocmf(payload(reading("C", "41"), page="T4")),
        METER.ocmf(payload(reading("E", "42"), page="T5")),
    ]
    found = METER.billed(_begin(), _end(), *later)
    assert [(each.transaction, str(each.energy_kwh)) for each in found] == [(0, "22.5")] * 2 + [(2, "2")] * 3
