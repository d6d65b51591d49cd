"""OCPI objects as we write them, validated by the JSON Schemas of another implementer."""

import json
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry
from referencing.jsonschema import DRAFT7

from adapters.ocpi.codec import JsonObject, Kind, Version, dumps, from_json, loads, to_json
from adapters.ocpi.files import read_objects
from tests.unit.ocpi.test_ocpi_examples import _kind

#: What the schemas find in an object of a kind: where, and the keyword that was broken.
Validate = Callable[[Kind, JsonObject], set[tuple[str, str]]]

pytestmark = [pytest.mark.data, pytest.mark.parametrize("version", [Version.V2_1_1, Version.V2_2_1])]

#: What the specification's examples have or lack against their own text, and keep when they pass through.
EXAMPLE_DEFECTS = {
    (Kind.EVSE, "$", "additionalProperties"),  # floor, which is none of OCPI's fields
    (Kind.TARIFF, "$", "required"),  # one has no last_updated
}
#: What real locations do wrong; we hand on coordinates as they were sent.
REAL_DEFECTS = {
    (Kind.LOCATION, "$.coordinates.latitude", "pattern"),
    (Kind.LOCATION, "$.coordinates.longitude", "pattern"),
}


@pytest.fixture
def validate(version: Version, data: Path) -> Validate:
    folder = data / "ocpi/json-schemas" / f"V{version.replace('.', '_')}" / "Common"
    registry: Registry[Any] = Registry().with_resources(
        # One reference of theirs lacks the slash that a JSON pointer starts with.
        (path.name, DRAFT7.create_resource(json.loads(path.read_text().replace("#definitions", "#/definitions"))))
        for path in folder.glob("*.schema.json")
    )

    def found(kind: Kind, obj: JsonObject) -> set[tuple[str, str]]:
        validator = Draft7Validator({"$ref": f"{kind.name.lower()}.schema.json"}, registry=registry)
        # Python's own reader: the validator knows nothing of numbers that keep their text.
        return {(error.json_path, str(error.validator)) for error in validator.iter_errors(json.loads(dumps(obj)))}

    return found


def written(objects: Iterable[tuple[Kind, JsonObject]], version: Version) -> Iterable[tuple[Kind, JsonObject]]:
    """Return objects of 2.2.1 as a partner of that version gets them."""
    for kind, obj in objects:
        message, _ = from_json(kind, Version.V2_2_1, obj, owner=("NL", "ABC"))
        yield kind, to_json(message, version)[0]


def test_the_specifications_examples_are_valid_when_we_write_them(
    data: Path, version: Version, validate: Validate
) -> None:
    examples = []
    for path in sorted((data / "ocpi/spec-examples/2.2.1-d2+").glob("*.json")):
        kind = _kind(path.name)
        if kind is not None and not kind[2]:
            examples += [(kind[0], obj) for obj in kind[1](loads(path.read_bytes()))]
    assert {kind for kind, _ in examples} == {
        Kind.CDR,
        Kind.EVSE,
        Kind.LOCATION,
        Kind.SESSION,
        Kind.TARIFF,
        Kind.TOKEN,
    }
    found = {(kind, *error) for kind, obj in written(examples, version) for error in validate(kind, obj)}
    assert found <= EXAMPLE_DEFECTS


def test_real_locations_and_tariffs_are_valid_when_we_write_them(
    data: Path, version: Version, validate: Validate
) -> None:
    objects = [
        (kind, item.obj)
        for kind, name in ((Kind.LOCATION, "ndw-nl-locations"), (Kind.TARIFF, "ndw-nl-tariffs"))
        for item in islice(read_objects(data / "locations" / f"{name}.jsonl.gz"), 500)
        if item.obj is not None
    ]
    assert len(objects) == 1_000
    found = {(kind, *error) for kind, obj in written(objects, version) for error in validate(kind, obj)}
    assert found <= REAL_DEFECTS


def test_the_schemas_do_find_what_is_wrong(version: Version, validate: Validate) -> None:
    token: JsonObject = {"uid": "1", "type": "CARD", "valid": "yes"}
    assert {("$.valid", "type"), ("$.type", "enum")} <= validate(Kind.TOKEN, token)
