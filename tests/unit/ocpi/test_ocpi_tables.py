"""The tables against the specification's own lists, which `spec_*.csv` record as facts."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest
from roamhub.v1 import session_object_pb2

from adapters.ocpi.codec.document import all_tables, all_words, document
from adapters.ocpi.codec.enums import ClosedWord
from adapters.ocpi.codec.tables import Bridge, Table
from adapters.ocpi.codec.words import ALL, V221, V230

HERE = Path(__file__).parent
TABLES = {table.name: table for table in all_tables()}
WORDS = all_words()

# Where the tables say something else than the core specification, and why.
ELSEWHERE = {
    ("2.1.1", "Hours", "twentyfourseven"): "a choice of two there: required only when regular_hours are absent",
    ("2.3.0", "Tariff", "preauthorize_amount"): "from the payments release of 2.3.0, absent from core",
}
RENAMED = {("2.2.1", "PriceLimit"): "Price", ("2.1.1", "AllowedType"): "Allowed"}


def facts(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def plain(label: str) -> str:
    """2.1.1 does not yet tell CiString from string."""
    return label.replace("CiString", "string")


def said_by_tables() -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
    said: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for table in TABLES.values():
        for row in table.rows:
            for version in row.versions:
                said[version, table.name][row.ocpi] = (row.kind.label(version), row.card)
    return said


def said_by_spec() -> dict[tuple[str, str], dict[str, tuple[str, str]]]:
    said: dict[tuple[str, str], dict[str, tuple[str, str]]] = defaultdict(dict)
    for fact in facts("spec_fields.csv"):
        said[fact["version"], fact["object"]][fact["field"]] = (fact["type"], fact["cardinality"])
    return said


def test_the_tables_have_every_field_of_the_specification_and_no_other() -> None:
    ours, spec = said_by_tables(), said_by_spec()
    for key, fields in ours.items():
        version, name = key
        expected = spec[version, RENAMED.get(key, name)]
        for field, (label, card) in fields.items():
            if (version, name, field) in ELSEWHERE:
                continue
            assert field in expected, f"{version} has no {name}.{field}"
            wanted, wanted_card = expected[field]
            assert card == wanted_card, f"{version} {name}.{field}"
            if "(" in wanted or "string" not in wanted.lower():  # some strings of the specification have no size
                assert plain(label) == plain(wanted), f"{version} {name}.{field}"
    for (version, name), expected in spec.items():
        missing = expected.keys() - ours[version, name].keys()
        assert not missing, f"{version} {name}: {missing}"


def test_the_enums_have_every_value_of_the_specification_and_no_other() -> None:
    spec: dict[tuple[str, str], set[str]] = defaultdict(set)
    kinds: dict[tuple[str, str], str] = {}
    for fact in facts("spec_enums.csv"):
        spec[fact["version"], fact["enum"]].add(fact["value"])
        kinds[fact["version"], fact["enum"]] = fact["kind"]
    # The answer to charging preferences is no object of its own: the contract has the enum, no table does.
    responses = spec.pop(("2.2.1", "ChargingPreferencesResponse")), spec.pop(("2.3.0", "ChargingPreferencesResponse"))
    values = session_object_pb2.ChargingPreferencesResponse.DESCRIPTOR.values[1:]
    assert responses == ({value.name.removeprefix("CHARGING_PREFERENCES_RESPONSE_") for value in values},) * 2
    for name, (words, _) in WORDS.items():
        for version in ALL:
            key = (str(version), RENAMED.get((version, name), name))
            assert set(words.known.get(version, ())) == spec.pop(key, set()), key
            if key in kinds:
                assert (version in words.open_) == (kinds[key] == "open"), key
    assert not spec


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_field_of_a_message_is_said_by_its_table(table: Table) -> None:
    said = {"extensions"}
    for row in table.rows:
        said |= set(row.kind.covers) if isinstance(row.kind, Bridge) else {row.target}
    assert said == set(table.message.DESCRIPTOR.fields_by_name)


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_a_field_that_the_newest_version_requires_is_required_in_the_contract(table: Table) -> None:
    source = Path(__file__).parents[3] / "protos" / table.message.DESCRIPTOR.file.name
    text = source.read_text(encoding="utf-8")
    body = re.search(rf"^message {table.message.DESCRIPTOR.name} \{{$(.*?)^\}}$", text, re.MULTILINE | re.DOTALL)
    assert body
    marks = dict(re.findall(r" (\w+) = \d+ \[\(google\.api\.field_behavior\) = (\w+)\];", body[1]))
    for row in table.rows:
        answered_without = table.name == "AuthorizationInfo" and row.ocpi == "token"  # by 2.1.1
        if {V221, V230} <= set(row.versions) and not isinstance(row.kind, Bridge) and not answered_without:
            assert marks[row.target] == ("REQUIRED" if row.card in "1+" else "OPTIONAL"), row.ocpi


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_absent_and_empty_stay_apart_where_the_specification_lets_both_be(table: Table) -> None:
    for row in table.rows:
        if row.card == "?" and V230 in row.versions and not isinstance(row.kind, Bridge | ClosedWord):
            assert table.message.DESCRIPTOR.fields_by_name[row.target].has_presence, row.ocpi


def test_the_document_is_what_the_tables_say() -> None:
    written = (Path(__file__).parents[3] / "docs/ocpi-mapping.md").read_text(encoding="utf-8")
    assert written == document(), "run python -m adapters.ocpi.codec.document > docs/ocpi-mapping.md"
