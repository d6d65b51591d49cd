"""Every JSON example of the specification for the objects we model, to a message and back."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.ocpi.codec import Json, JsonObject, Kept, Kind, Problem, Version, dumps, from_json, loads, to_json
from tests.unit.ocpi.conftest import DATA

VERSIONS = {
    "2.2": Version.V2_2_1,
    "2.2.1-d2+": Version.V2_2_1,
    "2.3.0-core": Version.V2_3_0,
    "2.3.0-payments": Version.V2_3_0,
    "2.3.0-bookings": Version.V2_3_0,
}
# What the examples themselves get wrong against the text of their version, by the rule they break. All of it
# survives, if not always in the same form.
DEFECTS = {
    "is required": "examples leave out fields that the text requires",
    "must be a JSON string, not a number": "physical_reference is a number",
    "must be a JSON object": "the bookings release has an older form of EVSE.parking",
}


def _samples() -> list[tuple[str, str]]:
    root = DATA / "ocpi/spec-examples"
    return [
        (folder, path.name)
        for folder in VERSIONS
        for path in sorted((root / folder).glob("*.json"))
        if _kind(path.name) is not None
    ] or [("", "")]


def _kind(name: str) -> tuple[Kind, Callable[[Json], list[JsonObject]], bool] | None:
    """Return the kind of object in an example, how to wrap it into whole objects, and whether it is a part."""
    whole = [
        (("cdr_example",), Kind.CDR),
        (
            ("location_put_example_add_evse", "location_patch_example_remove", "location_patch_example_status"),
            Kind.EVSE,
        ),
        (("location_patch_example_tariff",), Kind.CONNECTOR),
        (("location_example", "location_patch_example_location"), Kind.LOCATION),
        (("session_",), Kind.SESSION),
        (("tariff",), Kind.TARIFF),
        (("token_",), Kind.TOKEN),
    ]
    if "get_token" in name:
        return Kind.TOKEN, lambda value: _list(value["data"]), False
    if name.startswith("location_hours"):
        return Kind.LOCATION, lambda value: [{"opening_times": value}], True
    if name.startswith(("location_energymix", "location_regularhours")):
        return Kind.LOCATION, _list, True
    if name.startswith("type_displaytext"):
        return Kind.LOCATION, lambda value: [{"directions": [value]}], True
    for starts, kind in whole:
        if name.startswith(starts):
            return kind, _list, "_patch_" in name
    return None


def _list(value: Json) -> list[JsonObject]:
    return value if isinstance(value, list) else [value]  # type: ignore[return-value,list-item]


@pytest.mark.data
@pytest.mark.parametrize(("folder", "name"), _samples())
def test_an_example_comes_back_without_loss(data: Path, folder: str, name: str, same: Callable[[Json], Json]) -> None:
    version, found = VERSIONS[folder], _kind(name)
    assert found
    kind, wrap, partial = found
    for obj in wrap(loads((data / "ocpi/spec-examples" / folder / name).read_bytes())):
        message, problems = from_json(kind, version, obj, partial=partial)
        again, losses = to_json(message, version)
        for loss in losses:
            assert loss.assumed or "requires it" in loss.rule, loss
            if loss.assumed:
                _remove(again, loss.path)
        assert dumps(same(again)) == dumps(same(_repaired(obj, problems)))
        _is_known(problems)


def _remove(obj: Json, path: str) -> None:
    """Take away what strict writing added to an incomplete example."""
    *way, last = re.findall(r"\w+", path)
    for step in way:
        obj = obj[int(step)] if isinstance(obj, list) else obj[step]  # type: ignore[index]
    del obj[last]  # type: ignore[union-attr]


def _repaired(obj: JsonObject, problems: list[Problem]) -> JsonObject:
    fixed = dict(obj)
    for problem in problems:
        field = problem.path.removeprefix("$.")
        if problem.kept is Kept.MAPPED and "not a number" in problem.rule and field in fixed:
            fixed[field] = str(getattr(fixed[field], "text", fixed[field]))
    return fixed


def _is_known(problems: list[Problem]) -> None:
    for problem in problems:
        assert any(problem.rule.startswith(rule) for rule in DEFECTS), problem
        assert problem.kept is not Kept.ASIDE or problem.path.endswith(".parking[0]"), problem
