"""Importing files of OCPI objects, as the partner that owns them."""

import gzip
import json
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, RunningHub
from tests.unit.meter.making import Meter

DATA = Path(os.environ.get("ROAMHUB_DATA", ROOT.parent / "shared" / "data"))
TOKEN = {
    "country_code": "DE",
    "party_id": "IMP",
    "uid": "012345678",
    "type": "RFID",
    "contract_id": "DE-IMP-C1",
    "issuer": "Importers",
    "valid": True,
    "whitelist": "ALWAYS",
    "last_updated": "2026-06-01T00:00:00Z",
}
TARIFF = {
    "id": "T1",
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 0.4, "step_size": 1}]}],
    "last_updated": "2026-06-01T00:00:00Z",
}


@pytest.fixture(scope="module")
def importer(running_hub: RunningHub) -> RunningHub:
    party = ("--party", "DE-IMP:CPO,EMSP")
    running_hub.roamhub("partner", "invite", "importer", *party, "--out", "importer.json")
    assert running_hub.roamhub("partner", "register", "importer.json", "--as", "importer").code == 0
    return running_hub


def write(hub: RunningHub, name: str, content: bytes) -> Path:
    path = hub.folder / name
    path.write_bytes(content)
    return path


def test_an_array_is_stored_once(importer: RunningHub) -> None:
    file = write(importer, "tokens.json", json.dumps([TOKEN]).encode())
    first = importer.roamhub("import", "tokens", file, "--as", "importer", "--json")
    assert (first.code, first.json()["applied_count"]) == (0, 1)
    again = importer.roamhub("import", "tokens", file, "--as", "importer", "--json")
    assert (again.code, again.json()["unchanged_count"]) == (0, 1)


def test_lines_in_an_archive_are_stored_and_what_is_refused_is_named(importer: RunningHub) -> None:
    lines = [
        json.dumps(TARIFF).encode(),
        b"{not json",
        json.dumps(TARIFF | {"id": "T2", "elements": []}).encode(),
        json.dumps(TARIFF | {"id": "T3"}).encode(),
    ]
    file = write(importer, "tariffs.jsonl.gz", gzip.compress(b"\n".join(lines)))
    done = importer.roamhub("import", "tariffs", file, "--as", "importer", "--party", "DE-IMP", "--json")
    assert done.code == 1
    found = done.json()
    assert found["applied_count"] == 2
    assert sorted((each["place"], each["reason"]) for each in found["refusals"]) == [
        ("line 2", "UNREADABLE"),
        ("line 3", "INVALID_FIELD"),
    ]
    text = importer.roamhub("import", "tariffs", file, "--as", "importer", "--party", "DE-IMP")
    assert text.out.splitlines()[0] == "tariffs: 0 stored, 2 unchanged, 2 refused"


def test_objects_of_others_are_refused_unless_they_are_reassigned(importer: RunningHub) -> None:
    file = write(importer, "others.json", json.dumps([TOKEN | {"party_id": "XXX", "uid": "9"}]).encode())
    refused = importer.roamhub("import", "tokens", file, "--as", "importer", "--json")
    assert (refused.code, refused.json()["refusals"][0]["reason"]) == (1, "NOT_PERMITTED")
    options = ("--as", "importer", "--party", "DE-IMP", "--reassign")
    assert importer.roamhub("import", "tokens", file, *options).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.json",), "nowhere.json: No such file"),
        (("tokens.json", "--ocpi", "3.0"), "2.1.1, 2.2.1 or 2.3.0"),
        (("tokens.json", "--reassign"), "--reassign needs --party"),
        (("tokens.json", "--party", "IMP"), "write it like NL-ABC"),
    ],
)
def test_unusable_input_is_exit_2(importer: RunningHub, arguments: tuple[str, ...], words: str) -> None:
    write(importer, "tokens.json", json.dumps([TOKEN]).encode())
    done = importer.roamhub("import", "tokens", *arguments, "--as", "importer")
    assert (done.code, words in done.err) == (2, True), done.err


@pytest.mark.data
def test_twenty_thousand_real_locations_are_imported(importer: RunningHub) -> None:
    file = DATA / "locations" / "ndw-nl-locations.jsonl.gz"
    if not file.exists():
        pytest.skip(f"{file} is absent: set ROAMHUB_DATA")
    done = importer.roamhub("import", "locations", file, "--as", "importer", "--party", "DE-IMP", "--json")
    assert (done.code, done.json()["applied_count"]) == (0, 20_000), done.err


def test_keys_of_meters_are_registered_listed_and_cut_short(importer: RunningHub) -> None:
    evse = {
        "uid": "E1",
        "status": "AVAILABLE",
        "connectors": [
            {
                "id": "1",
                "standard": "IEC_62196_T2",
                "format": "SOCKET",
                "power_type": "AC_3_PHASE",
                "max_voltage": 230,
                "max_amperage": 16,
                "last_updated": "2026-06-01T00:00:00Z",
            }
        ],
        "last_updated": "2026-06-01T00:00:00Z",
    }
    location = {
        "id": "LOC1",
        "publish": True,
        "address": "Weg 1",
        "city": "Ulm",
        "country": "DEU",
        "coordinates": {"latitude": "48.40", "longitude": "9.99"},
        "time_zone": "Europe/Berlin",
        "evses": [evse],
        "last_updated": "2026-06-01T00:00:00Z",
    }
    party = ("--party", "DE-IMP", "--as", "importer")
    locations = write(importer, "locations.json", json.dumps([location]).encode())
    assert importer.roamhub("import", "locations", locations, *party).code == 0
    key = {
        "location_id": "LOC1",
        "evse_uid": "E1",
        "public_key": Meter().spki.hex(),
        "valid_from": "2026-06-01T00:00:00Z",
    }
    lines = [key, key | {"evse_uid": "E2"}, key | {"public_key": "00"}, key | {"validity": "for ever"}]
    file = write(importer, "keys.jsonl", b"\n".join(json.dumps(line).encode() for line in lines))
    done = importer.roamhub("import", "meter-keys", file, *party, "--json")
    assert (done.code, done.json()["applied_count"]) == (1, 1)
    assert sorted((each["place"], each["reason"]) for each in done.json()["refusals"]) == [
        ("line 2", "EVSE_NOT_FOUND"),
        ("line 3", "INVALID_FIELD"),
        ("line 4", "UNREADABLE"),
    ]
    (listed,) = importer.roamhub("meter", "keys", *party, "--json").json()
    assert (listed["evse_uid"], listed["curve"]) == ("E1", "secp256r1")
    ended = importer.roamhub("meter", "revoke", listed["id"], *party, "--end-time", "2026-07-01T00:00:00Z", "--json")
    assert ended.json()["valid_until"] == "2026-07-01T00:00:00Z"
    shown = importer.roamhub("meter", "keys", *party)
    assert (shown.code, "2026-07-01T00:00:00Z" in shown.out) == (0, True)
    again = importer.roamhub("meter", "revoke", listed["id"], *party, "--end-time", "2026-08-01T00:00:00Z")
    assert (again.code, "METER_KEY_ENDED" in again.err) == (3, True)
