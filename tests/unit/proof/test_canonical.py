"""Documents have one form, and nothing else is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.canonical import Fields, Json, MalformedDocument, digest, dump, expect_format, load

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(documents)
def test_a_document_reads_back_to_the_same_bytes(document: Json) -> None:
    assert dump(load(dump(document))) == dump(document)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_document_or_refused(noise: bytes) -> None:
    try:
        document = load(noise)
    except MalformedDocument:
        return
    assert dump(document) == noise


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b'{"a": 1}',
        b'{"a":1}\n',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":"\\u00e9"}',
        b'"\xff"',
        b'"\\ud800"',
        b"[" * 100_000,
        b"9" * 5000,
    ],
)
def test_what_is_not_in_the_one_form_is_refused(spoiled: bytes) -> None:
    with pytest.raises(MalformedDocument):
        load(spoiled)


def test_the_id_is_the_digest_of_the_bytes() -> None:
    assert digest(b"{}") == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_fields_are_read_in_order_and_by_type() -> None:
    fields = Fields({"a": "x", "b": 3, "c": None, "d": True, "e": {"f": ["y"]}, "g": [{}], "h": [1]})
    assert (fields.text("a"), fields.integer("b"), fields.optional_integer("c"), fields.boolean("d")) == (
        "x",
        3,
        None,
        True,
    )
    assert fields.object("e").texts("f") == ["y"]
    assert len(fields.objects("g")) == 1
    assert fields.integers("h") == [1]
    fields.end()


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ([], "text"),
        ({"b": "x"}, "text"),
        ({"a": 1}, "text"),
        ({"a": True}, "integer"),
        ({"a": -1}, "integer"),
        ({"a": 1 << 63}, "integer"),
        ({"a": "1"}, "optional_integer"),
        ({"a": 0}, "boolean"),
        ({"a": []}, "object"),
        ({"a": "x"}, "objects"),
        ({"a": [1]}, "objects"),
        ({"a": [1]}, "texts"),
        ({"a": [True]}, "integers"),
    ],
)
def test_another_type_is_refused(value: Json, read: str) -> None:
    with pytest.raises(MalformedDocument):
        getattr(Fields(value), read)("a")


def test_an_unknown_field_and_another_format_are_refused() -> None:
    with pytest.raises(MalformedDocument, match="b is unknown"):
        Fields({"b": 1}).end()
    with pytest.raises(MalformedDocument, match="not of format"):
        expect_format(Fields({"format": "other"}), "this")
