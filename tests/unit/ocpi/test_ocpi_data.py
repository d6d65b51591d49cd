"""Real data: 20,000 Dutch locations, 11,527 tariffs, and another implementer's payloads and schemas."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.ocpi.codec import Json, JsonObject, Kept, Kind, Version, dumps, from_json, loads, to_json
from adapters.ocpi.codec.document import all_tables
from adapters.ocpi.files import read_objects

NDW = [
    (Kind.LOCATION, "ndw-nl-locations.jsonl.gz", 20_000),
    (Kind.TARIFF, "ndw-nl-tariffs.jsonl.gz", 11_527),
]
NDW_DEFECTS = {
    Kind.LOCATION: {
        "publish is required": 20_000,
        "coordinates.latitude must look like 50.770774": 425,
        "coordinates.longitude must look like -126.104965": 425,
        "evses[].connectors[].standard must be spelt IEC_60309_2_three_16": 36,
        "evses[].connectors[].standard must be spelt IEC_60309_2_three_32": 10,
    },
    Kind.TARIFF: {},
}


@pytest.mark.data
@pytest.mark.parametrize(("kind", "name", "count"), NDW)
def test_the_whole_country_converts_without_loss(
    data: Path, same: Callable[[Json], Json], kind: Kind, name: str, count: int
) -> None:
    objects = [item.obj for item in read_objects(data / "locations" / name) if item.obj is not None]
    assert len(objects) == count
    read = [from_json(kind, Version.V2_2_1, obj, owner=("NL", "NDW")) for obj in objects]
    written = [to_json(message, Version.V2_2_1) for message, _ in read]

    broken = Counter(
        f"{re.sub(r'[0-9]+', '', problem.path).removeprefix('$.')} {problem.rule}"
        for _, found in read
        for problem in found
    )
    assert broken == NDW_DEFECTS[kind]
    assert not [loss for _, losses in written for loss in losses if "publish" not in loss.path]
    for obj, (again, _), (_, problems) in zip(objects, written, read, strict=True):
        if any("spelt" in problem.rule for problem in problems):
            continue
        kept = {field: value for field, value in again.items() if obj.get(field) is not None or field in obj}
        assert dumps(same(kept)) == dumps(same(obj))


PAYLOADS = {
    "V2_1_1/Client/Tokens/Get/payloads": Kind.TOKEN,
    "V2_2_1/Client/Receiver/Tokens/Get/payloads": Kind.TOKEN,
    "V2_1_1/Common/Models/Payloads/Cdrs": Kind.CDR,
    "V2_2_1/Common/Models/Payloads/Cdrs": Kind.CDR,
    "V2_1_1/Common/Models/Payloads/Location": Kind.LOCATION,
    "V2_1_1/Client/Locations/GetListing/payloads/Valid": Kind.LOCATION,
    "V2_2_1/Client/Sender/Locations/GetListing/payloads/Valid": Kind.LOCATION,
    "V2_2_1/Server/Receiver/Cdrs/Post/payloads": Kind.CDR,
    "V2_1_1/Server/Emsp/Cdrs/Post/payloads": Kind.CDR,
    "V2_1_1/Server/Emsp/Sessions/Put/payloads/valid": Kind.SESSION,
    "V2_1_1/Server/Emsp/Locations/Put/payloads": Kind.LOCATION,
    "V2_2_1/Server/Receiver/Locations/Put/payloads": Kind.LOCATION,
}
# Files the other implementer calls invalid that the specification does not: `null` is an absent language.
CALLED_INVALID = {"ko_language_is_null.json"}


@pytest.mark.data
@pytest.mark.parametrize("folder", PAYLOADS)
def test_the_payloads_of_another_implementer_come_back_without_loss(
    data: Path, same: Callable[[Json], Json], folder: str
) -> None:
    version = Version(folder[1:6].replace("_", "."))
    paths = sorted((data / "ocpi/payloads" / folder).rglob("*.json"))
    assert paths
    for path in paths:
        for obj in _objects(loads(path.read_bytes())):
            message, problems = from_json(PAYLOADS[folder], version, obj, owner=("NL", "ABC"))
            again, _ = to_json(message, version)
            repaired = [problem for problem in problems if problem.kept is Kept.MAPPED]
            if not any("must be" in problem.rule and "characters" not in problem.rule for problem in repaired):
                kept = {field: value for field, value in again.items() if field in obj}
                assert dumps(same(kept)) == dumps(same(obj)), path.name
            if "invalid" in path.parts and path.name not in CALLED_INVALID:
                assert problems, path.name


def _objects(value: Json) -> list[JsonObject]:
    if isinstance(value, dict) and "status_code" in value:
        value = value.get("data")
    found = value if isinstance(value, list) else [value]
    return [obj for obj in found if isinstance(obj, dict)]


SCHEMAS = ["connector", "evse", "location", "tariff", "token", "session", "cdr"]


@pytest.mark.data
@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("version", [Version.V2_1_1, Version.V2_2_1])
def test_the_tables_know_every_property_of_the_json_schemas(data: Path, version: Version, name: str) -> None:
    folder = data / "ocpi/json-schemas" / f"V{version.replace('.', '_')}" / "Common"
    schema = loads((folder / f"{name}.schema.json").read_bytes())
    assert isinstance(schema, dict)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    table = next(table for table in all_tables() if table.name.lower() == name)
    known = {row.ocpi: row for row in table.rows if version in row.versions}
    assert properties.keys() <= known.keys()
    required = schema.get("required", [])
    assert isinstance(required, list)
    for field in required:
        assert known[str(field)].card in "1+", field
