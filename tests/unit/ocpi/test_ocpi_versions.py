"""From one version to another: what carries over, what is assumed, and what is reported as lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from roamhub.v1 import cdr_object_pb2, location_object_pb2, session_object_pb2

from adapters.ocpi.codec import Json, JsonObject, Kept, Kind, Loss, Version, dumps, from_json, loads_object, to_json

V211, V221, V230 = Version

CDR_211 = """{"id":"12345","start_date_time":"2015-06-29T21:39:09Z","stop_date_time":"2015-06-29T23:37:32Z",
"auth_id":"DE8ACC12E46L89","auth_method":"WHITELIST","location":{"id":"LOC1","type":"ON_STREET","name":"Gent Zuid",
"address":"F.Rooseveltlaan 3A","city":"Gent","postal_code":"9000","country":"BEL",
"coordinates":{"latitude":"3.729940","longitude":"51.047590"},"operator":{"name":"BeCharged"},
"evses":[{"uid":"3256","evse_id":"BE-BEC-E041503003","status":"AVAILABLE","connectors":[{"id":"1",
"standard":"IEC_62196_T2","format":"SOCKET","power_type":"AC_1_PHASE","voltage":230,"amperage":64,"tariff_id":"11",
"last_updated":"2015-06-29T21:39:01Z"}],"last_updated":"2015-06-29T21:39:01Z"}],
"last_updated":"2015-06-29T21:39:01Z"},"currency":"EUR","tariffs":[{"id":"12","currency":"EUR",
"elements":[{"price_components":[{"type":"TIME","price":2.00,"step_size":300}]}],
"last_updated":"2015-02-02T14:15:01Z"}],"charging_periods":[{"start_date_time":"2015-06-29T21:39:09Z",
"dimensions":[{"type":"TIME","volume":1.973},{"type":"FLAT","volume":1}]}],"total_cost":4.00,"total_energy":15.342,
"total_time":1.973,"last_updated":"2015-06-29T22:01:13Z"}"""


def convert(kind: Kind, before: Version, after: Version, text: str) -> tuple[JsonObject, list[Loss]]:
    message, problems = from_json(kind, before, loads_object(text), owner=("NL", "ABC"), partial=True)
    assert not [problem for problem in problems if problem.kept is Kept.ASIDE]
    obj, losses = to_json(message, after)
    return obj, [loss for loss in losses if "requires it, and there is none" not in loss.rule]


def test_a_cdr_of_2_1_1_comes_back_without_loss(same: Callable[[Json], Json]) -> None:
    obj = loads_object(CDR_211)
    message, problems = from_json(Kind.CDR, V211, obj, owner=("BE", "BEC"))
    assert problems == []
    assert isinstance(message, cdr_object_pb2.Cdr)
    assert (message.country_code, message.party_id) == ("BE", "BEC")
    place = message.cdr_location
    assert (place.id, place.evse_uid, place.connector_id) == ("LOC1", "3256", "1")
    assert place.coordinates.latitude == "3.729940"
    assert place.connector_format == location_object_pb2.CONNECTOR_FORMAT_SOCKET
    assert message.cdr_token.contract_id == "DE8ACC12E46L89"
    assert message.total_cost.before_taxes.value == "4.00"
    again, losses = to_json(message, V211)
    assert dumps(same(again)) == dumps(same(obj))
    assert losses == []


def test_a_cdr_of_2_1_1_said_in_2_2_1_has_its_place_and_says_what_is_missing() -> None:
    message, _ = from_json(Kind.CDR, V211, loads_object(CDR_211), owner=("BE", "BEC"))
    obj, losses = to_json(message, V221)
    assert isinstance(obj["cdr_location"], dict)
    assert obj["cdr_location"]["evse_id"] == "BE-BEC-E041503003"
    assert dumps(obj["total_cost"]) == b'{"excl_vat":4.00}'
    assert obj["location"] == loads_object(CDR_211)["location"]  # more than the place holds, so it is handed on
    missing = {loss.path for loss in losses if "requires it" in loss.rule}
    missing.discard("$.charging_periods[0].dimensions[1].type")
    assert missing == {f"$.cdr_token.{name}" for name in ("country_code", "party_id", "uid", "type")} | {
        f"$.tariffs[0].{name}" for name in ("country_code", "party_id")
    }
    assert {loss.path for loss in losses} - missing == {"$.charging_periods[0].dimensions[1].type"}


def test_a_cdr_said_in_2_1_1_has_a_location_made_of_what_it_holds(data: Path) -> None:
    obj = loads_object((data / "ocpi/spec-examples/2.2.1-d2+/cdr_example.json").read_bytes())
    message, _ = from_json(Kind.CDR, V221, obj)
    older, losses = to_json(message, V211)
    location = older["location"]
    assert isinstance(location, dict)
    assert location["evses"][0]["connectors"][0]["standard"] == "IEC_62196_T2"  # type: ignore[index,call-overload]
    assert location["type"] == "UNKNOWN"
    assert Loss(path="$.location.type", rule="2.1.1 requires it; assumed UNKNOWN", assumed=True) in losses
    assert dumps(older["total_cost"]) == b"4.00"
    assert "$.total_cost" in {loss.path for loss in losses}
    assert "cdr_token" not in older
    assert older["auth_id"] == message.cdr_token.contract_id  # type: ignore[attr-defined]


def test_a_session_of_2_1_1_keeps_its_location_in_full(same: Callable[[Json], Json]) -> None:
    cdr = loads_object(CDR_211)
    obj: JsonObject = {
        "id": "101",
        "start_datetime": "2015-06-29T22:39:09Z",
        "kwh": cdr["total_energy"],
        "auth_id": "FA54320",
        "auth_method": "WHITELIST",
        "location": cdr["location"],
        "currency": "EUR",
        "status": "PENDING",
        "last_updated": "2015-06-29T22:39:09Z",
    }
    message, problems = from_json(Kind.SESSION, V211, obj)
    assert problems == []
    assert isinstance(message, session_object_pb2.Session)
    assert (message.location_id, message.evse_uid, message.connector_id) == ("LOC1", "3256", "1")
    assert dumps(same(to_json(message, V211)[0])) == dumps(same(obj))
    del message.charging_periods[:]
    message.extensions = ""
    bare, losses = to_json(message, V211)
    assert bare["location"] == {"id": "LOC1", "evses": [{"uid": "3256", "connectors": [{"id": "1"}]}]}
    assert [loss.path for loss in losses] == ["$.location"]


@pytest.mark.parametrize("evses", ["[]", '[{"uid":"1","connectors":[]}]', '[{"uid":"1"},{"uid":"2"}]'])
def test_a_location_in_a_session_must_say_which_connector(evses: str) -> None:
    message, problems = from_json(Kind.SESSION, V211, loads_object(f'{{"location":{{"id":"1","evses":{evses}}}}}'))
    assert ("$.location", Kept.ASIDE) in {(problem.path, problem.kept) for problem in problems}
    assert isinstance(message, session_object_pb2.Session)
    assert message.location_id == ""


PRICES = [
    # a price, the version it is in, the version it goes to, what it becomes there, the losses
    ('{"excl_vat":4.00,"incl_vat":4.40}', V221, V221, '{"excl_vat":4.00,"incl_vat":4.40}', 0),
    (
        '{"excl_vat":4.00,"incl_vat":4.40}',
        V221,
        V230,
        '{"before_taxes":4.00,"taxes":[{"name":"VAT","amount":0.40}]}',
        1,
    ),
    ('{"excl_vat":4.00,"incl_vat":4.00}', V221, V230, '{"before_taxes":4.00}', 0),
    ('{"excl_vat":4.00}', V221, V230, '{"before_taxes":4.00}', 0),
    ('{"excl_vat":4.00,"incl_vat":4.40}', V221, V211, "4.00", 1),
    (
        '{"before_taxes":4,"taxes":[{"name":"GST","percentage":5,"amount":0.20},{"name":"QST","amount":0.399}]}',
        V230,
        V221,
        '{"excl_vat":4,"incl_vat":4.599}',
        1,
    ),
    ('{"before_taxes":-4,"taxes":[{"name":"VAT","amount":-1e1}]}', V230, V221, '{"excl_vat":-4,"incl_vat":-14}', 1),
    (
        '{"before_taxes":4,"taxes":[{"name":"VAT","amount":1,"x":[2.0]}]}',
        V230,
        V230,
        '{"before_taxes":4,"taxes":[{"name":"VAT","amount":1,"x":[2.0]}]}',
        0,
    ),
    ("4.00", V211, V221, '{"excl_vat":4.00}', 0),
    ("4.00", V211, V230, '{"before_taxes":4.00}', 0),
    ("0", V211, V211, "0", 0),
]


@pytest.mark.parametrize(("text", "before", "after", "expected", "losses"), PRICES)
def test_a_price_carries_over(text: str, before: Version, after: Version, expected: str, losses: int) -> None:
    obj, lost = convert(Kind.SESSION, before, after, f'{{"total_cost":{text}}}')
    assert dumps(obj["total_cost"]).decode() == expected
    assert len(lost) == losses


def test_limits_of_price_carry_over() -> None:
    obj, losses = convert(Kind.TARIFF, V221, V230, '{"min_price":{"excl_vat":0.50,"incl_vat":0.60}}')
    assert dumps(obj["min_price"]) == b'{"before_taxes":0.50,"after_taxes":0.60}'
    assert obj["tax_included"] == "NO"
    assert losses == [Loss(path="$.tax_included", rule="2.3.0 requires it; assumed NO", assumed=True)]


@pytest.mark.parametrize(("word", "lost"), [("YES", True), ("NO", False), ("N/A", False)])
def test_only_prices_with_taxes_are_lost_on_older_versions(word: str, lost: bool) -> None:
    for version in (V211, V221):
        obj, losses = convert(Kind.TARIFF, V230, version, f'{{"tax_included":"{word}"}}')
        assert "tax_included" not in obj
        assert [loss.path for loss in losses] == (["$.tax_included"] if lost else [])


WORDS: list[tuple[Kind, tuple[Version, Version], str, JsonObject, str]] = [
    (Kind.CONNECTOR, (V230, V221), '{"standard":"MCS"}', {}, "2.2.1 does not know MCS"),
    (Kind.CONNECTOR, (V230, V221), '{"standard":"IEC_62196_T2"}', {"standard": "IEC_62196_T2"}, ""),
    (Kind.CONNECTOR, (V230, V230), '{"standard":"WARP_PLUG"}', {"standard": "WARP_PLUG"}, ""),
    (Kind.CONNECTOR, (V221, V211), '{"power_type":"AC_2_PHASE"}', {}, "2.1.1 does not know AC_2_PHASE"),
    (Kind.TOKEN, (V230, V221), '{"type":"EMAID"}', {"type": "OTHER"}, "2.2.1 does not know EMAID; it says OTHER"),
    (Kind.TOKEN, (V230, V211), '{"type":"APP_USER"}', {"type": "OTHER"}, "2.1.1 does not know APP_USER; it says OTHER"),
    (
        Kind.SESSION,
        (V221, V211),
        '{"status":"RESERVATION"}',
        {"status": "PENDING"},
        "2.1.1 does not know RESERVATION; it says PENDING",
    ),
    (
        Kind.LOCATION,
        (V230, V211),
        '{"parking_type":"ON_DRIVEWAY"}',
        {"type": "OTHER"},
        "2.1.1 does not know ON_DRIVEWAY; it says OTHER",
    ),
    (Kind.LOCATION, (V211, V221), '{"type":"UNKNOWN"}', {}, "2.2.1 does not know UNKNOWN"),
    (
        Kind.EVSE,
        (V230, V221),
        '{"capabilities":["RFID_READER","TELEPATHY"]}',
        {"capabilities": ["RFID_READER"]},
        "2.2.1 does not know TELEPATHY",
    ),
    (Kind.EVSE, (V230, V221), '{"parking":[{"parking_id":"1","evse_position":"LEFT"}]}', {}, "2.2.1 has no such field"),
]


@pytest.mark.parametrize(("kind", "versions", "text", "expected", "rule"), WORDS)
def test_a_word_a_version_does_not_know_is_reported(
    kind: Kind, versions: tuple[Version, Version], text: str, expected: JsonObject, rule: str
) -> None:
    obj, losses = convert(kind, *versions, text)
    for name in ("country_code", "party_id", "publish"):
        obj.pop(name, None)
    assert obj == expected
    assert [loss.rule for loss in losses] == ([rule] if rule else [])


def test_a_location_not_for_everybody_must_not_go_to_2_1_1() -> None:
    _, losses = convert(Kind.LOCATION, V221, V211, '{"publish":false,"parking_type":"ON_STREET"}')
    assert [loss.path for loss in losses] == ["$.publish"]
    assert "do not send" in losses[0].rule
    assert convert(Kind.LOCATION, V221, V211, '{"publish":true,"parking_type":"ON_STREET"}')[1] == []


def test_the_first_of_several_tariffs_goes_to_2_1_1() -> None:
    obj, losses = convert(Kind.CONNECTOR, V221, V211, '{"tariff_ids":["A","B"]}')
    assert obj == {"tariff_id": "A"}
    assert [loss.path for loss in losses] == ["$.tariff_id"]
    assert convert(Kind.CONNECTOR, V211, V221, '{"tariff_id":"A"}') == ({"tariff_ids": ["A"]}, [])


def test_a_text_longer_than_a_version_allows_is_said_and_reported() -> None:
    obj, losses = convert(Kind.LOCATION, V221, V211, f'{{"address":"{"x" * 50}","parking_type":"ON_STREET"}}')
    assert obj["address"] == "x" * 50
    assert [loss.rule for loss in losses] == ["is longer than the 45 characters of 2.1.1"]


@pytest.mark.parametrize("version", Version)
def test_a_message_no_peer_could_have_sent_is_written_as_far_as_it_goes(version: Version) -> None:
    session = session_object_pb2.Session(id="1", auth_method=99, extensions="[1]")  # type: ignore[arg-type]
    session.kwh.value = "NaN"
    session.total_cost.before_taxes.value = "much"
    session.total_cost.taxes.add(name="VAT").amount.value = "more"
    session.start_date_time.seconds = 10**12
    obj, losses = to_json(session, version)
    assert obj["id"] == "1"
    assert {"kwh", "auth_method", "start_date_time", "start_datetime"}.isdisjoint(obj)
    assert {"$.kwh", "$.auth_method", "$.extensions"} <= {loss.path for loss in losses}


def test_the_answer_to_an_authorization_carries_over() -> None:
    text = '{"allowed":"ALLOWED","location":{"location_id":"1","evse_uids":["a"]},"info":{"language":"en","text":"hi"}}'
    obj, losses = convert(Kind.AUTHORIZATION_INFO, V211, V230, text)
    assert dumps(obj).decode() == text
    assert losses == []
