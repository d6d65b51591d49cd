"""Reading requests: what is no number and no JSON to everybody is refused, whatever Python makes of it."""

from decimal import Decimal

import pytest
from google.type.decimal_pb2 import Decimal as PbDecimal

from hub.rpc.wire import DOCUMENT_BYTES_MAX, Reader


@pytest.mark.parametrize("text", ["0", "-0", "+1", "12.3400", ".5", "5.", "1e3", "1E-4"])
def test_a_number_is_read_as_it_is_written(text: str) -> None:
    reader = Reader()
    assert str(reader.decimal("kwh", PbDecimal(value=text))) == str(Decimal(text))
    reader.done()


@pytest.mark.parametrize(
    "text", [" 1", "1 ", "1\n", "1_000", "\u0663", "\uff11", "1,5", "0x10", "NaN", "Infinity", "1" * 41]
)
def test_what_only_python_takes_for_a_number_is_refused(text: str) -> None:
    reader = Reader()
    reader.decimal("kwh", PbDecimal(value=text))
    assert [violation.field for violation in reader.violations] == ["kwh"]


@pytest.mark.parametrize("text", ["{}", '{"a":1e999}', '{"a":{"b":[null,"\\u00e9"]}}', '{"a":"' + "x" * 65_528 + '"}'])
def test_extensions_are_the_text_of_a_json_object(text: str) -> None:
    reader = Reader()
    reader.extensions("extensions", text)
    reader.done()


@pytest.mark.parametrize(
    "text",
    ["[]", "1", "{", '{"a":NaN}', '{"a":-Infinity}', "{'a':1}", '{"a":' * 9_000, '{"a":"' + "\u00e9" * 33_000 + '"}'],
    ids=lambda text: text[:12],
)
def test_extensions_that_no_json_parser_need_read_are_refused(text: str) -> None:
    reader = Reader()
    reader.extensions("extensions", text)
    assert [violation.field for violation in reader.violations] == ["extensions"]


@pytest.mark.parametrize(
    ("path", "field"), [("location", "location"), ("locations[3]", "locations[3]"), ("", "request")]
)
def test_an_object_that_no_client_could_read_is_refused_by_its_path(path: str, field: str) -> None:
    reader = Reader(path)
    assert reader.document(b"x" * DOCUMENT_BYTES_MAX)
    reader.done()
    reader.document(b"x" * (DOCUMENT_BYTES_MAX + 1))
    assert [violation.field for violation in reader.violations] == [field]
