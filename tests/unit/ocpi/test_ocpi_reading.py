"""Reading: every broken rule is named with its path, and nothing a peer sent is lost."""

import pytest
from roamhub.v1 import location_object_pb2, session_object_pb2, tariff_object_pb2, token_object_pb2

from adapters.ocpi.codec import (
    Kept,
    Kind,
    Problem,
    Version,
    changed_fields,
    dumps,
    from_json,
    loads,
    loads_object,
    to_json,
)
from hub.rpc.wire import Reader

TOKEN = """{"country_code":"NL","party_id":"EMS","uid":"0102","type":"RFID","contract_id":"NL-EMS-C1","issuer":"Ems",
"valid":true,"whitelist":"ALLOWED","last_updated":"2024-01-01T00:00:00Z"}"""
CASES: list[tuple[str, str, str, str, Kept]] = [
    # name, JSON of the changed field, path of the problem, rule, where the value went
    (
        "unknown word of a closed enum",
        '"whitelist":"SOMETIMES"',
        ".whitelist",
        "must be one of ALWAYS, ALLOWED, ALLOWED_OFFLINE, NEVER",
        Kept.ASIDE,
    ),
    ("small letters", '"whitelist":"always"', ".whitelist", "must be spelt ALWAYS", Kept.MAPPED),
    ("word of a later version", '"type":"EMAID"', ".type", "must be a TokenType of 2.2.1", Kept.MAPPED),
    ("number for a string", '"uid":12.50', ".uid", "must be a JSON string, not a number", Kept.MAPPED),
    ("boolean for a string", '"uid":true', ".uid", "must be a JSON string", Kept.ASIDE),
    ("object for a string", '"issuer":{"name":1E2}', ".issuer", "must be a JSON string", Kept.ASIDE),
    ("empty required string", '"issuer":""', ".issuer", "must not be empty", Kept.ASIDE),
    ("too long", f'"uid":"{"x" * 37}"', ".uid", "must be at most 36 characters", Kept.MAPPED),
    ("not ASCII", '"uid":"ü"', ".uid", "must be printable ASCII", Kept.MAPPED),
    ("control character", '"uid":"a\\u0000b"', ".uid", "must be printable ASCII", Kept.MAPPED),
    ("half a surrogate pair", '"issuer":"\\ud800"', ".issuer", "must be well-formed Unicode", Kept.ASIDE),
    ("language", '"language":"e1"', ".language", "must look like en", Kept.MAPPED),
    ("string for a boolean", '"valid":"False"', ".valid", "must be a JSON boolean, not a string", Kept.MAPPED),
    ("number for a boolean", '"valid":1', ".valid", "must be a JSON boolean", Kept.ASIDE),
    ("missing", '"valid":null', ".valid", "is required", Kept.NOWHERE),
    ("not a time", '"last_updated":"yesterday"', ".last_updated", "must look like 2015-06-29T20:39:09Z", Kept.ASIDE),
    (
        "no such day",
        '"last_updated":"2023-02-29T00:00:00Z"',
        ".last_updated",
        "must be a time of the calendar",
        Kept.ASIDE,
    ),
    ("offset", '"last_updated":"2024-01-01T02:00:00+02:00"', ".last_updated", "must be in UTC", Kept.MAPPED),
    (
        "offset out of the calendar",
        '"last_updated":"0001-01-01T00:00:00+14:00"',
        ".last_updated",
        "must be a time of the calendar",
        Kept.ASIDE,
    ),
    (
        "too fine",
        '"last_updated":"2024-01-01T00:00:00.1234567891Z"',
        ".last_updated",
        "must have at most 9 decimals; the rest is cut",
        Kept.MAPPED,
    ),
    ("object for a list", '"energy_contract":[]', ".energy_contract", "must be a JSON object", Kept.ASIDE),
    (
        "inside a nested object",
        '"energy_contract":{"contract_id":"1"}',
        ".energy_contract.supplier_name",
        "is required",
        Kept.NOWHERE,
    ),
]


@pytest.mark.parametrize(("name", "change", "path", "rule", "kept"), CASES, ids=[case[0] for case in CASES])
def test_a_broken_rule_is_named_and_its_value_kept(name: str, change: str, path: str, rule: str, kept: Kept) -> None:
    obj = {**loads_object(TOKEN), **loads_object("{" + change + "}")}
    message, problems = from_json(Kind.TOKEN, Version.V2_2_1, obj)
    assert problems == [Problem(path=f"$.{path.lstrip('.')}", rule=rule, kept=kept)]
    again, _ = to_json(message, Version.V2_2_1)
    field = path.split(".")[1]
    if kept is Kept.ASIDE:
        assert dumps(again[field]) == dumps(obj[field])
    elif kept is Kept.MAPPED:
        assert field in again


def test_a_sound_object_has_no_problems() -> None:
    message, problems = from_json(Kind.TOKEN, Version.V2_2_1, loads_object(TOKEN))
    assert problems == []
    assert isinstance(message, token_object_pb2.Token)
    assert message.extensions == ""
    assert to_json(message, Version.V2_2_1) == (loads_object(TOKEN), [])


def test_what_we_do_not_model_comes_back_verbatim_where_it_was() -> None:
    text = """{"uid":"1","x_net":{"deep":[1.10,-0,1E400,null,true,"\\ud83d\\ude00"],"id":12345678901234567890.1},
    "connectors":[{"id":"1","cable_length":5.00}]}"""
    message, _ = from_json(Kind.EVSE, Version.V2_2_1, loads_object(text))
    assert isinstance(message, location_object_pb2.Evse)
    assert message.connectors[0].extensions == '{"cable_length":5.00}'
    again, _ = to_json(message, Version.V2_3_0)
    assert dumps(again["x_net"]).decode() == '{"deep":[1.10,-0,1E400,null,true,"😀"],"id":12345678901234567890.1}'
    assert dumps(again["connectors"]) == b'[{"id":"1","cable_length":5.00}]'


def test_a_field_of_a_later_version_is_kept_for_that_version() -> None:
    message, _ = from_json(Kind.LOCATION, Version.V2_2_1, {"help_phone": "+31"})
    assert to_json(message, Version.V2_3_0)[0]["help_phone"] == "+31"


def test_a_field_the_message_was_given_since_wins_over_what_was_set_aside() -> None:
    message, _ = from_json(Kind.EVSE, Version.V2_2_1, {"uid": "1", "status": "ASLEEP"})
    assert isinstance(message, location_object_pb2.Evse)
    assert to_json(message, Version.V2_2_1)[0]["status"] == "ASLEEP"
    message.status = location_object_pb2.EVSE_STATUS_CHARGING
    assert to_json(message, Version.V2_2_1)[0]["status"] == "CHARGING"


@pytest.mark.parametrize("text", ["0.25", "0.2500", "-0", "1E2", "12e-1", "100", "0.1234567890123456789"])
def test_a_number_keeps_its_text(text: str) -> None:
    message, problems = from_json(Kind.SESSION, Version.V2_2_1, loads_object(f'{{"kwh":{text}}}'), partial=True)
    assert isinstance(message, session_object_pb2.Session)
    assert (message.kwh.value, problems) == (text, [])
    assert dumps(to_json(message, Version.V2_2_1)[0]["kwh"]).decode() == text


@pytest.mark.parametrize("text", ["1e31", "1e-31", "1e99999", "9" * 41, '"much"', "true", "[1]"])
def test_a_number_beyond_reason_is_set_aside(text: str) -> None:
    message, problems = from_json(Kind.SESSION, Version.V2_2_1, loads_object(f'{{"kwh":{text}}}'), partial=True)
    assert isinstance(message, session_object_pb2.Session)
    assert not message.HasField("kwh")
    assert [problem.kept for problem in problems] == [Kept.ASIDE]
    assert message.extensions == f'{{"kwh":{text}}}'


@pytest.mark.parametrize(
    ("text", "value", "problems"),
    [
        ("16", 16, 0),
        ("-1", -1, 0),
        ("16.0", 16, 0),
        ("1.6E1", 16, 0),
        ('"16"', 16, 1),
        ("16.5", None, 1),
        ("3e9", None, 1),
    ],
)
def test_whole_numbers_may_be_written_in_any_way(text: str, value: int | None, problems: int) -> None:
    message, found = from_json(Kind.CONNECTOR, Version.V2_2_1, loads_object(f'{{"max_voltage":{text}}}'), partial=True)
    assert isinstance(message, location_object_pb2.Connector)
    assert (message.max_voltage if message.HasField("max_voltage") else None) == value
    assert len(found) == problems


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("2015-06-29T20:39:09", "2015-06-29T20:39:09Z"),
        ("2015-06-29T20:39:09.1Z", "2015-06-29T20:39:09.100Z"),
        ("2015-06-29T20:39:09.000001", "2015-06-29T20:39:09.000001Z"),
        ("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z"),
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999999999Z"),
        ("2015-06-29t20:39:09z", "2015-06-29T20:39:09Z"),
        ("2015-06-29 20:39:09Z", "2015-06-29T20:39:09Z"),
        ("2015-06-29T20:39:09-0230", "2015-06-29T23:09:09Z"),
    ],
)
def test_a_time_keeps_its_instant(text: str, again: str) -> None:
    message, _ = from_json(Kind.TOKEN, Version.V2_2_1, {"last_updated": text}, partial=True)
    assert to_json(message, Version.V2_2_1)[0]["last_updated"] == again


def test_one_bad_item_sets_its_list_aside_whole() -> None:
    obj = loads_object('{"elements":[{"restrictions":{"day_of_week":["MONDAY","FUNDAY"]}},{"price_components":[7]}]}')
    message, problems = from_json(Kind.TARIFF, Version.V2_2_1, obj, partial=True)
    assert isinstance(message, tariff_object_pb2.Tariff)
    assert not message.elements[0].restrictions.day_of_week
    assert message.elements[0].restrictions.extensions == '{"day_of_week":["MONDAY","FUNDAY"]}'
    assert message.elements[1].extensions == '{"price_components":[7]}'
    assert [(problem.path, problem.kept) for problem in problems if problem.kept is Kept.ASIDE] == [
        ("$.elements[0].restrictions.day_of_week[1]", Kept.ASIDE),
        ("$.elements[1].price_components[0]", Kept.ASIDE),
    ]


def test_every_item_of_a_list_that_needs_repair_is_named() -> None:
    obj = loads_object('{"elements":[{"restrictions":{"day_of_week":["monday","TUESDAY","friday"]}}]}')
    message, problems = from_json(Kind.TARIFF, Version.V2_2_1, obj, partial=True)
    assert isinstance(message, tariff_object_pb2.Tariff)
    assert list(message.elements[0].restrictions.day_of_week) == [1, 2, 5]
    named = [problem.path for problem in problems if "spelt" in problem.rule]
    assert named == [f"$.elements[0].restrictions.day_of_week[{index}]" for index in (0, 2)]


def test_null_and_empty_lists_mean_absent() -> None:
    obj = {**loads_object(TOKEN), "visual_number": None, "group_id": None}
    assert from_json(Kind.TOKEN, Version.V2_2_1, obj) == from_json(Kind.TOKEN, Version.V2_2_1, loads_object(TOKEN))


def test_an_empty_optional_text_is_not_an_absent_one() -> None:
    message, problems = from_json(Kind.TOKEN, Version.V2_2_1, {**loads_object(TOKEN), "visual_number": ""})
    assert problems == []
    assert to_json(message, Version.V2_2_1)[0]["visual_number"] == ""


def test_the_owner_comes_from_outside_when_the_object_does_not_say() -> None:
    for version in (Version.V2_1_1, Version.V2_2_1):
        message, problems = from_json(Kind.TARIFF, version, {"id": "1", "party_id": None}, owner=("NL", "ABC"))
        assert isinstance(message, tariff_object_pb2.Tariff)
        assert (message.country_code, message.party_id) == ("NL", "ABC")
        assert not [problem for problem in problems if "code" in problem.path or "party" in problem.path]
    message, _ = from_json(Kind.TARIFF, Version.V2_2_1, {"party_id": "XYZ"}, owner=("NL", "ABC"))
    assert isinstance(message, tariff_object_pb2.Tariff)
    assert message.party_id == "XYZ"


def test_a_patch_names_the_fields_it_changes() -> None:
    obj = loads_object('{"status":"REMOVED","last_updated":null,"x":1}')
    assert changed_fields(Kind.EVSE, Version.V2_2_1, obj) == ["extensions", "last_updated", "status"]
    assert changed_fields(Kind.CONNECTOR, Version.V2_1_1, {"voltage": 1, "tariff_id": "1"}) == [
        "max_voltage",
        "tariff_ids",
    ]
    _, problems = from_json(Kind.EVSE, Version.V2_2_1, obj, partial=True)
    assert problems == []


def test_a_float_is_refused_since_it_has_lost_what_was_sent() -> None:
    with pytest.raises(TypeError, match="float"):
        from_json(Kind.SESSION, Version.V2_2_1, {"kwh": 1.5})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b'{"a":', "not JSON: Expecting value at line 1, column 6"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'\xff{"a":1}', "not UTF-8 at byte 0"),
        (b"[" * 100_000, "nested too deep"),
        (b"[1]", "not a JSON object"),
        (b'{"price":1,"price":2}', "a name stands twice in one object"),
        (b"", "not JSON: Expecting value at line 1, column 1"),
    ],
)
def test_what_is_no_json_object_says_where(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        loads_object(text)


def test_a_byte_order_mark_is_forgiven() -> None:
    assert loads(b'\xef\xbb\xbf"a"') == "a"


def test_more_than_the_hub_takes_beyond_ocpi_is_reported() -> None:
    room = 65_536 - len('{"x":""}')
    for text, fits in (("y" * room, True), ("y" * (room + 1), False), ("ü" * (room // 2), True), ("ü" * room, False)):
        token, problems = from_json(Kind.TOKEN, Version.V2_2_1, {**loads_object(TOKEN), "x": text})
        rules = [] if fits else [Problem(path="$", rule=TOO_MUCH, kept=Kept.MAPPED)]
        assert problems == rules
        hub = Reader()
        hub.extensions("extensions", token.extensions)  # type: ignore[attr-defined]
        assert bool(hub.violations) != fits, "the hub has the same rule"


def test_more_than_the_hub_takes_beyond_ocpi_is_reported_with_its_place() -> None:
    location = loads_object(b'{"evses":[{"uid":"E1","x":"%s"}]}' % (b"y" * 70_000))
    _, problems = from_json(Kind.LOCATION, Version.V2_2_1, location, partial=True)
    assert Problem(path="$.evses[0]", rule=TOO_MUCH, kept=Kept.MAPPED) in problems


TOO_MUCH = "must not say more than 65536 bytes beyond OCPI"
