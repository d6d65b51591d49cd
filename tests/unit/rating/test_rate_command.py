"""`roamhub rate`: options, output, exit status."""

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hub.cli.app import run

TARIFF: dict[str, Any] = {
    "id": "18",
    "currency": "EUR",
    "elements": [
        {
            "price_components": [
                {"type": "FLAT", "price": 0.5, "vat": 20.0, "step_size": 1},
                {"type": "ENERGY", "price": "0.25", "vat": "10.0", "step_size": "1"},
                {"type": "PARKING_TIME", "price": 2.0, "vat": 20.0, "step_size": 900},
            ]
        }
    ],
    "something_new": {"nobody": ["knows"]},
    "last_updated": "2018-12-17T11:44:10Z",
}
CDR: dict[str, Any] = {
    "id": "c1",
    "start_date_time": "2024-03-04T10:00:00Z",
    "end_date_time": "2024-03-04T11:40:00Z",
    "currency": "EUR",
    "cdr_location": {"country": "DEU", "time_zone": "Europe/Berlin"},
    "tariffs": [TARIFF],
    "charging_periods": [
        {
            "start_date_time": "2024-03-04T10:00:00Z",
            "dimensions": [{"type": "ENERGY", "volume": "20"}, {"type": "TIME", "volume": 1}],
        },
        {"start_date_time": "2024-03-04T11:00:00Z", "dimensions": [{"type": "PARKING_TIME", "volume": 0.6667}]},
    ],
    "total_cost": {"excl_vat": 7.0, "incl_vat": 7.9},
    "total_energy": 20,
    "total_time": 1.6667,
    "total_parking_time": 0.6667,
    "last_updated": "2024-03-04T12:00:00Z",
}


@dataclass
class Ended:
    exit_code: int
    stdout: str
    stderr: str


@pytest.fixture
def rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Return what rates a CDR with options, by the command line."""

    def rate(cdr: object, *options: str) -> Ended:
        path = tmp_path / "cdr.json"
        path.write_bytes(cdr if isinstance(cdr, bytes) else json.dumps(cdr).encode())
        code = run(["rate", "--cdr", str(path), *options])
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    return rate


Rate = Callable[..., Ended]


def test_an_agreeing_claim_exits_with_0(rate: Rate) -> None:
    result = rate(CDR)
    assert result.exit_code == 0
    assert "That agrees" in result.stdout


def test_a_claim_beyond_the_tolerance_exits_with_1_and_says_by_how_much(rate: Rate) -> None:
    result = rate(CDR | {"total_cost": {"excl_vat": 7.5, "incl_vat": 8.4}})
    assert result.exit_code == 1
    assert "0.50 EUR more than the tariff says" in result.stdout


def test_the_tolerance_is_inclusive(rate: Rate) -> None:
    assert rate(CDR | {"total_cost": {"excl_vat": 7.01, "incl_vat": 7.91}}).exit_code == 0
    assert rate(CDR | {"total_cost": {"excl_vat": 7.0101, "incl_vat": 7.91}}).exit_code == 1


def test_a_wrong_part_disagrees_even_where_the_total_is_right(rate: Rate) -> None:
    assert rate(CDR | {"total_energy_cost": {"excl_vat": 4}}).exit_code == 1


def test_a_cdr_without_a_claim_exits_with_0(rate: Rate) -> None:
    assert rate({k: v for k, v in CDR.items() if not k.startswith("total_")}).exit_code == 0


def test_json_is_one_object_with_the_documented_fields(rate: Rate) -> None:
    result = rate(CDR, "--json")
    answer = json.loads(result.stdout)
    assert answer["total_cost"] == {"before_taxes": "7.0000", "after_taxes": "7.9000"}
    assert answer["total_fixed_cost"] == {"before_taxes": "0.5000", "after_taxes": "0.6000"}
    assert answer["total_energy_cost"] == {"before_taxes": "5.0000", "after_taxes": "5.5000"}
    assert answer["total_parking_cost"] == {"before_taxes": "1.5000", "after_taxes": "1.8000"}
    assert answer["total_time_cost"] is None
    assert answer["total_reservation_cost"] is None
    assert (answer["total_energy"], answer["total_time"], answer["total_parking_time"]) == (
        "20.0000",
        "1.6667",
        "0.6667",
    )
    assert [line["kind"] for line in answer["lines"]] == ["FLAT", "USAGE", "FREE", "USAGE", "STEP"]
    assert answer["notes"] == []
    assert answer["claimed"]["total_cost"] == {"before_taxes": "7.0000", "after_taxes": "7.9000"}
    assert answer["difference"]["total_cost"] == {"before_taxes": "0.0000", "after_taxes": "0.0000"}
    assert answer["difference"]["total_energy"] == "0.0000"
    assert answer["agrees"] is True


def test_the_text_says_what_step_size_did(rate: Rate) -> None:
    assert "40 min is billed as 45 min: parking time comes in steps of 15 min" in rate(CDR).stdout


def test_the_text_says_what_a_helpdesk_reads_out(rate: Rate) -> None:
    text = rate(CDR).stdout
    for told in (
        "CDR c1, priced in EUR",
        "Monday 04 March 2024 11:00 to 12:40 (Europe/Berlin time), 1 h 40 min",
        "20 kWh charged, 40 min parked without charging",
        "tariff 18; rules roamhub-2026 for OCPI 2.2.1",
        "EUR before tax",
        "20 kWh at 0.25 per kWh",
        "Parking, rounded up by",
        "5 min at 2.00 per hour",
        "The CDR claims 7.00 EUR before tax and 7.90 EUR with tax. That agrees (within 0.01 EUR).",
        "  - Element 1 is the first with a price for energy, and applies now.",
    ):
        assert told in text
    assert "Please note" not in text


def test_the_text_names_limits_reservations_and_unknown_taxes(rate: Rate) -> None:
    elements = [
        {
            "price_components": [
                {"type": "FLAT", "price": 1, "step_size": 1},
                {"type": "TIME", "price": 2, "step_size": 1},
            ],
            "restrictions": {"reservation": "RESERVATION"},
        },
        {"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}]},
    ]
    changed = CDR | {
        "start_date_time": "2024-03-03T23:00:00Z",
        "tariffs": [TARIFF | {"elements": elements, "max_price": 2}],
        "charging_periods": [
            {"start_date_time": "2024-03-03T23:00:00Z", "dimensions": [{"type": "RESERVATION_TIME", "volume": 11}]},
            {"start_date_time": "2024-03-04T10:00:00Z", "dimensions": [{"type": "ENERGY", "volume": 20}]},
        ],
        "total_cost": 5,
    }
    result = rate(changed)
    assert result.exit_code == 1
    for told in (
        "Reservation fee",
        "Reservation  ",
        "11 h at 2.00 per hour",
        "Price limit",
        "unknown",
        "total before tax: 3.00 EUR more than the tariff says",
        "[max_price_applied]",
        "[volume_differs]",
        "Monday 04 March 2024 00:00 to 12:40",
    ):
        assert told in result.stdout
    later = rate(changed | {"start_date_time": "2024-03-03T22:00:00Z", "credit": True, "total_cost": -2})
    assert later.exit_code == 0
    assert "Sunday 03 March 2024 23:00 to Monday 04 March 2024 12:40" in later.stdout
    assert "The CDR credits -2.00 EUR before tax. That agrees" in later.stdout


def test_a_document_beyond_all_measure_is_refused(rate: Rate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.cli.documents.LARGEST_DOCUMENT_BYTES", 100)
    assert rate(CDR).exit_code == 2
    assert "is larger than" in rate(CDR).stderr


def test_the_tariff_may_stand_beside_the_cdr(rate: Rate, tmp_path: Path) -> None:
    beside = tmp_path / "tariff.json"
    beside.write_text(json.dumps([TARIFF]))
    without = {k: v for k, v in CDR.items() if k != "tariffs"}
    assert rate(without).exit_code == 2
    assert rate(without, "--tariff", str(beside)).exit_code == 0


def test_a_response_of_the_ocpi_interface_is_unwrapped(rate: Rate) -> None:
    assert rate({"status_code": 1000, "data": [CDR]}).exit_code == 0


def test_version_2_1_1_leaves_the_tax_unknown(rate: Rate) -> None:
    untaxed = [{"type": "ENERGY", "price": 0.25, "step_size": 1}]
    old = CDR | {
        "tariffs": [TARIFF | {"elements": [{"price_components": untaxed}]}],
        "total_cost": 5.0,
        "stop_date_time": CDR["end_date_time"],
    }
    del old["end_date_time"]
    answer = json.loads(rate(old, "--json").stdout)
    assert answer["total_cost"] == {"before_taxes": "5.0000", "after_taxes": None}
    assert [note["code"] for note in answer["notes"]] == ["unknown_tax"]
    stated = json.loads(rate(old, "--json", "--ocpi", "2.2.1").stdout)
    assert stated["total_cost"]["after_taxes"] == "5.0000"


def test_the_time_zone_option_overrides_the_documents(rate: Rate) -> None:
    early = {
        "price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}],
        "restrictions": {"end_time": "11:00"},
    }
    cdr = CDR | {"tariffs": [TARIFF | {"elements": [early]}]}
    del cdr["total_cost"]
    berlin = json.loads(rate(cdr, "--json").stdout)
    london = json.loads(rate(cdr, "--json", "--time-zone", "Europe/London").stdout)
    assert (berlin["total_cost"]["before_taxes"], london["total_cost"]["before_taxes"]) == ("0.0000", "20.0000")


def test_an_expired_reservation_is_priced_as_such(rate: Rate) -> None:
    fee = {
        "price_components": [{"type": "FLAT", "price": 4, "step_size": 1}],
        "restrictions": {"reservation": "RESERVATION_EXPIRES"},
    }
    cdr = {
        "start_date_time": "2024-03-04T10:00:00Z",
        "end_date_time": "2024-03-04T11:00:00Z",
        "currency": "EUR",
        "tariffs": [TARIFF | {"elements": [fee]}],
        "charging_periods": [
            {"start_date_time": "2024-03-04T10:00:00Z", "dimensions": [{"type": "RESERVATION_TIME", "volume": 1}]}
        ],
    }
    plain = json.loads(rate(cdr, "--json").stdout)
    expired = json.loads(rate(cdr, "--json", "--reservation-expired").stdout)
    assert plain["total_reservation_cost"] is None
    assert "reservation_outcome_assumed" in [note["code"] for note in plain["notes"]]
    assert expired["total_reservation_cost"] == {"before_taxes": "4.0000", "after_taxes": "4.0000"}


def test_a_credit_cdr_agrees_with_its_negated_total(rate: Rate) -> None:
    credit = CDR | {"credit": True, "credit_reference_id": "c1", "total_cost": {"excl_vat": -7.0, "incl_vat": -7.9}}
    result = rate(credit, "--json")
    assert result.exit_code == 0
    assert "credit_cdr" in [note["code"] for note in json.loads(result.stdout)["notes"]]
    assert rate(CDR | {"credit": True}).exit_code == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"charging_periods": []}, "cdr.charging_periods"),
        ({"start_date_time": "yesterday"}, "cdr.start_date_time"),
        ({"start_date_time": None}, "cdr.start_date_time"),
        ({"end_date_time": "2024-02-30T10:00:00Z"}, "cdr.end_date_time"),
        ({"end_date_time": "2024-03-03T10:00:00Z"}, "end"),
        ({"currency": "DKK"}, "tariffs"),
        ({"currency": "E1R"}, "cdr.currency"),
        ({"total_energy": "a lot"}, "cdr.total_energy"),
        ({"cdr_location": {"time_zone": "Mars/Olympus"}}, "time_zone"),
        ({"tariffs": "none"}, "cdr.tariffs"),
        ({"charging_periods": [{"start_date_time": "2024-03-04T10:00:00Z", "dimensions": [{"type": "TIME"}]}]}, "cdr."),
        (
            {
                "charging_periods": [
                    {"start_date_time": "2024-03-04T10:00:00Z", "dimensions": [{"type": "TIME", "volume": -1}]}
                ]
            },
            "charging_periods[0].dimensions",
        ),
    ],
)
def test_unusable_input_exits_with_2_and_names_the_field(rate: Rate, change: dict[str, Any], field: str) -> None:
    result = rate(CDR | change, "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    error = json.loads(result.stderr)["error"]
    assert error["exit_code"] == 2
    assert error["detail"]["field"].startswith(field)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a": NaN}', b'{"start_date_time": 1e400}', b"12"]
)
def test_what_is_no_cdr_exits_with_2_and_one_line(rate: Rate, content: bytes) -> None:
    result = rate(content)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)


def test_a_file_that_is_not_there_or_an_unknown_policy_exits_with_2(rate: Rate, tmp_path: Path) -> None:
    assert run(["rate", "--cdr", str(tmp_path / "nothing")]) == 2
    assert rate(CDR, "--policy", "cheapest").exit_code == 2
    assert rate(CDR, "--ocpi", "3.0").exit_code == 2


def test_standard_input_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(CDR).encode())))
    assert run(["rate", "--cdr", "-"]) == 0


def test_the_command_needs_no_other_part_of_the_hub() -> None:
    code = (
        "import sys, hub.cli.rate; "
        "sys.exit(any(m.startswith(('grpc', 'sqlalchemy', 'google', 'hub.store', 'hub.rpc')) for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


#: Dear from eight in the morning until eight in the evening, else cheap; the CDR is of 10:00 to 11:00 in UTC.
BY_CLOCK = TARIFF | {
    "elements": [
        {
            "price_components": [{"type": "ENERGY", "price": 0.5, "step_size": 1}],
            "restrictions": {"start_time": "08:00", "end_time": "20:00"},
        },
        {"price_components": [{"type": "ENERGY", "price": 0.25, "step_size": 1}]},
    ]
}
NOWHERE = {name: value for name, value in CDR.items() if not name.startswith("total_")} | {
    "cdr_location": {"country": "DEU"},
    "tariffs": [BY_CLOCK],
    "charging_periods": CDR["charging_periods"][:1],
}


def test_an_agreement_that_hangs_on_an_unknown_time_zone_is_undecided(rate: Rate) -> None:
    cdr = NOWHERE | {"total_cost": {"excl_vat": 10}}
    told = rate(cdr)
    assert told.exit_code == 6
    assert (
        "The CDR claims 10.00 EUR before tax. Undecided: by clocks that show UTC that agrees (within 0.01 EUR), by "
        "some others it does not. Nobody states the time zone: name it with --time-zone.\n"
    ) in told.stdout
    undecided = rate(cdr, "--json")
    assert undecided.exit_code == 6
    answer = json.loads(undecided.stdout)
    assert (answer["agrees"], answer["depends_on_time_zone"]) == (None, {"price": True, "agrees": True})
    stated = rate(cdr, "--time-zone", "Europe/Berlin")
    assert stated.exit_code == 0
    assert "10.00 EUR before tax. That agrees (within 0.01 EUR).\n" in stated.stdout
    answer = json.loads(rate(cdr, "--time-zone", "Europe/Berlin", "--json").stdout)
    assert (answer["agrees"], answer["depends_on_time_zone"]) == (True, {"price": False, "agrees": False})


def test_a_disagreement_that_hangs_on_an_unknown_time_zone_is_undecided(rate: Rate) -> None:
    cdr = NOWHERE | {"total_cost": {"excl_vat": 5}}
    result = rate(cdr)
    assert result.exit_code == 6
    assert (
        "Undecided: by clocks that show UTC that does not agree, by some others it does. Nobody states the time zone: "
        "name it with --time-zone. By UTC:\n  - total before tax: 5.00 EUR less than the tariff says\n"
    ) in result.stdout
    assert json.loads(rate(cdr, "--json").stdout)["agrees"] is None
    assert rate(cdr, "--time-zone", "America/New_York").exit_code == 0
    assert rate(cdr, "--time-zone", "UTC").exit_code == 1, "who names UTC has stated it"


def test_a_claim_of_parts_without_a_total_is_judged_too(rate: Rate) -> None:
    parts = CDR | {"total_energy_cost": {"excl_vat": 4}}
    del parts["total_cost"]
    result = rate(parts)
    assert result.exit_code == 1
    assert (
        "The CDR states no total cost, but parts of it. That does not agree:\n"
        "  - energy before tax: 1.00 EUR less than the tariff says\n"
    ) in result.stdout


def test_a_disagreement_in_every_time_zone_is_certain_and_only_its_amounts_are_not(rate: Rate) -> None:
    cdr = NOWHERE | {"total_cost": {"excl_vat": 7}}
    assert rate(cdr).exit_code == 1
    told = rate(cdr).stdout
    assert (
        "That does not agree:\n  - total before tax: 3.00 EUR less than the tariff says\nThe amounts are those" in told
    )
    assert json.loads(rate(cdr, "--json").stdout)["depends_on_time_zone"] == {"price": True, "agrees": False}


def test_a_price_without_a_claim_says_that_it_hangs_on_an_unknown_time_zone(rate: Rate) -> None:
    result = rate(NOWHERE)
    assert result.exit_code == 0
    assert "states no cost to compare with. The amounts are those of UTC. Nobody states the time zone" in result.stdout


def test_where_no_price_looks_at_the_clock_the_time_zone_does_not_matter(rate: Rate) -> None:
    cdr = CDR | {"cdr_location": {"country": "DEU"}}
    assert "7.90 EUR with tax. That agrees (within 0.01 EUR).\n" in rate(cdr).stdout
    assert json.loads(rate(cdr, "--json").stdout)["depends_on_time_zone"] == {"price": False, "agrees": False}


def test_where_all_zones_choose_the_same_price_the_agreement_is_certain(rate: Rate) -> None:
    always = json.loads(json.dumps(BY_CLOCK))
    always["elements"][1]["price_components"][0]["price"] = 0.5
    told = rate(NOWHERE | {"tariffs": [always], "total_cost": {"excl_vat": 10}}).stdout
    assert "10.00 EUR before tax. That agrees (within 0.01 EUR).\n" in told


def test_the_offset_that_times_are_written_with_counts_as_stated(rate: Rate) -> None:
    start, end = "2024-03-04T10:00:00+01:00", "2024-03-04T11:40:00+01:00"
    periods = [NOWHERE["charging_periods"][0] | {"start_date_time": start}]
    cdr = NOWHERE | {"start_date_time": start, "end_date_time": end, "charging_periods": periods}
    assert "That agrees (within 0.01 EUR).\n" in rate(cdr | {"total_cost": {"excl_vat": 10}}).stdout
