"""Checkpoints, signed notes and acknowledgements as text."""

import base64
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.acknowledgements import Acknowledgement, Decision, Reason
from hub.domain.canonical import MalformedDocument
from hub.domain.checkpoints import Checkpoint, MalformedNote, Note, NoteSignature, key_id, parse_note
from hub.domain.ids import PartyId
from hub.domain.merkle import EMPTY_ROOT

CHECKPOINT = Checkpoint(origin="hub.example/clearing", size=1042, root=bytes(range(32)))
SIGNATURE = NoteSignature(name="hub.example/clearing+2026".replace("+", "-"), key_id=b"\1\2\3\4", signature=bytes(64))
NOTE = Note(text=CHECKPOINT.text(), signatures=(SIGNATURE,))


def test_a_checkpoint_is_three_lines() -> None:
    root = base64.b64encode(bytes(range(32))).decode()
    assert CHECKPOINT.text() == f"hub.example/clearing\n1042\n{root}\n"
    assert Checkpoint.parse(CHECKPOINT.text()) == CHECKPOINT
    assert Checkpoint.parse(CHECKPOINT.text() + "extension 1\n") == CHECKPOINT


def test_a_note_is_its_text_an_empty_line_and_signatures() -> None:
    line = base64.b64encode(b"\1\2\3\4" + bytes(64)).decode()
    assert NOTE.to_bytes().decode() == f"{CHECKPOINT.text()}\n\u2014 hub.example/clearing-2026 {line}\n"
    assert parse_note(NOTE.to_bytes()) == NOTE


def test_a_key_id_follows_signed_note() -> None:
    # The example key of golang.org/x/mod/sumdb/note.
    public_key = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
    assert key_id("PeterNeumann", public_key).hex() == "c74f20a3"
    for name in ("", "two words", "a+b", "line\n"):
        with pytest.raises(ValueError, match="one word"):
            key_id(name, public_key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n1\n",
        "origin\n01\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n-1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n9999999999999999999\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n1\n" + base64.b64encode(bytes(31)).decode() + "\n",
        "origin\n1\n!!!!\n",
        "origin\n1\n" + base64.b64encode(bytes(32)).decode(),
        "\n1\n" + base64.b64encode(bytes(32)).decode() + "\n",
        "origin\n0\n" + base64.b64encode(bytes(32)).decode() + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(MalformedNote):
        Checkpoint.parse(text)


def test_an_empty_tree_has_a_checkpoint_too() -> None:
    empty = Checkpoint(origin="o", size=0, root=EMPTY_ROOT)
    assert Checkpoint.parse(empty.text()) == empty


@pytest.mark.parametrize(
    "data",
    [
        b"",
        CHECKPOINT.text().encode(),
        CHECKPOINT.text().encode() + b"\n",
        NOTE.to_bytes()[:-1],
        NOTE.to_bytes() + b"x\n",
        NOTE.to_bytes().replace("\u2014".encode(), b"-"),
        NOTE.to_bytes().replace(b"1042", b"10\t42"),
        NOTE.to_bytes() + b"\xff\n",
        CHECKPOINT.text().encode() + "\n\u2014 name AAAA\n".encode(),
        CHECKPOINT.text().encode() + "\n\u2014 na+me AAAAAAAA\n".encode(),
        CHECKPOINT.text().encode() + "\n\u2014 name\n".encode(),
        CHECKPOINT.text().encode() + "\n\u2014 name AAAAAAB=\n".encode(),
        Note(text=CHECKPOINT.text(), signatures=(SIGNATURE,) * 101).to_bytes(),
        b"x" * 70_000,
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedNote):
        parse_note(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_refused(noise: bytes) -> None:
    try:
        note = parse_note(noise)
    except MalformedNote:
        return
    assert note.to_bytes() == noise


ACCEPTED = Acknowledgement(
    statement="ab" * 32,
    party=PartyId("DE", "MSP"),
    decision=Decision.ACCEPT,
    lines=(),
    reasons=(),
    time=datetime(2026, 10, 2, 9, 30, tzinfo=UTC),
)
BUT_ONE = replace(
    ACCEPTED, decision=Decision.ACCEPT_EXCEPT, lines=(2, 5), reasons=(Reason(code="WRONG_PRICE", text="see mail"),)
)


@pytest.mark.parametrize("acknowledgement", [ACCEPTED, BUT_ONE])
def test_an_acknowledgement_reads_back_as_it_was_written(acknowledgement: Acknowledgement) -> None:
    assert Acknowledgement.from_bytes(acknowledgement.to_bytes()) == acknowledgement


@pytest.mark.parametrize(
    "changes",
    [
        {"statement": "AB" * 32},
        {"lines": (1,)},
        {"decision": Decision.ACCEPT_EXCEPT},
        {"decision": Decision.REJECT},
        {"decision": Decision.ACCEPT_EXCEPT, "lines": (2, 1), "reasons": BUT_ONE.reasons},
        {"decision": Decision.ACCEPT_EXCEPT, "lines": (0,), "reasons": BUT_ONE.reasons},
        {"reasons": (Reason(code="lower", text=""),)},
        {"reasons": (Reason(code="LONG", text="x" * 1001),)},
        {"reasons": BUT_ONE.reasons * 101},
    ],
)
def test_an_acknowledgement_says_one_thing(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(ACCEPTED, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("ACCEPT", "PERHAPS"),
        ("DE-MSP", "de-msp"),
        ("2026-10-02T09:30:00.000000Z", "2026-10-02"),
        ("acknowledgement.v1", "acknowledgement.v2"),
        ('"lines":[]', '"lines":[1]'),
    ],
)
def test_a_damaged_acknowledgement_is_refused(was: str, becomes: str) -> None:
    with pytest.raises(MalformedDocument):
        Acknowledgement.from_bytes(ACCEPTED.to_bytes().decode().replace(was, becomes).encode())
