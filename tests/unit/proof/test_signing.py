"""Keys, envelopes and keyrings: the published vectors, and what an attacker would try."""

import base64
import json
import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.crypto import dsse
from hub.crypto.files import InsecureFileError
from hub.crypto.keyring import UntrustedKeyring, sign_keyring, trust_keyring, verify_keys
from hub.crypto.signing import BadKey, Roots, SigningKey, VerifyKey, note_signers
from hub.domain.canonical import MalformedDocument
from hub.domain.checkpoints import Note, parse_note
from hub.domain.ids import PartyId
from hub.domain.keyring import Keyring, KeyringKey, Use

DATA = Path(os.environ.get("ROAMHUB_DATA", Path(__file__).parents[3] / "../shared/data"))
VECTORS = DATA / "proofs/wycheproof/ed25519_test.json"

ROOT, OTHER_ROOT, HUB, NEW, MALLORY = (
    SigningKey(name=name, seed=bytes([number]) * 32)
    for number, name in enumerate(("root-1", "root-2", "hub-1", "hub-2", "mallory"))
)
ROOTS = Roots(keys=(ROOT.verify_key, OTHER_ROOT.verify_key), threshold=2)
KEY = KeyringKey(
    name="hub-1", public_key=HUB.public_key, uses=frozenset({Use.CHECKPOINT, Use.STATEMENT}), first_index=10
)
RING = Keyring(hub="hub.example/clearing", version=1, keys=(KEY,))


def ed25519_vectors() -> list[Any]:
    if not VECTORS.is_file():
        return [pytest.param({}, {}, marks=pytest.mark.skip(reason=f"no vectors at {VECTORS}: set ROAMHUB_DATA"))]
    groups = json.loads(VECTORS.read_text())["testGroups"]
    return [pytest.param(group["publicKey"], test, id=str(test["tcId"])) for group in groups for test in group["tests"]]


@pytest.mark.data
@pytest.mark.parametrize(("public", "test"), ed25519_vectors())
def test_ed25519_agrees_with_the_published_vectors(public: dict[str, Any], test: dict[str, Any]) -> None:
    key = VerifyKey(name="k", public_key=bytes.fromhex(public["pk"]))
    verified = key.verifies(bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
    assert verified is (test["result"] == "valid"), test["comment"]


def test_a_key_file_is_for_its_owner_alone_and_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "hub.key"
    HUB.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loaded = SigningKey.load(path)
    assert (loaded.name, loaded.public_key) == (HUB.name, HUB.public_key)
    with pytest.raises(FileExistsError):
        NEW.save(path)
    path.chmod(0o644)
    with pytest.raises(InsecureFileError):
        SigningKey.load(path)


@pytest.mark.parametrize("text", ["", "hello", "PRIVATE+KEY+a+b", "PRIVATE+KEY+a+00000000+AAAA", "\xff"])
def test_a_damaged_key_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "hub.key"
    path.touch(mode=0o600)
    path.write_text(text, encoding="latin-1")
    with pytest.raises(BadKey):
        SigningKey.load(path)


def test_a_private_key_never_shows_itself() -> None:
    assert repr(HUB) == "SigningKey('hub-1')"


def test_public_keys_have_a_one_line_text() -> None:
    # The example key of golang.org/x/mod/sumdb/note.
    text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert VerifyKey.from_text(text).to_text() == text
    for damaged in (text.replace("c7", "c8"), text[:-1], "", "name", "a b+c74f20a3+" + text.split("+", 2)[2]):
        with pytest.raises(BadKey):
            VerifyKey.from_text(damaged)


def test_roots_are_read_from_lines() -> None:
    assert Roots.from_text("# ours\n\n" + ROOTS.to_text()) == ROOTS
    assert Roots.from_text(ROOT.verify_key.to_text()) == Roots(keys=(ROOT.verify_key,))
    for damaged in ("", "threshold 2\n" + ROOT.verify_key.to_text(), "threshold x\n" + ROOT.verify_key.to_text(), "x"):
        with pytest.raises(BadKey):
            Roots.from_text(damaged)


def test_a_note_is_signed_as_the_golang_example() -> None:
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    line = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    note = parse_note(f"{text}\n\u2014 PeterNeumann {line}\n".encode())
    key = VerifyKey.from_text("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert note_signers(note, [HUB.verify_key, key]) == [key]


def test_a_note_signed_under_another_name_does_not_count() -> None:
    alias = SigningKey(name="other", seed=bytes([2]) * 32)
    note = Note(text="t\n", signatures=(alias.sign_note("t\n"),))
    assert note_signers(note, [HUB.verify_key]) == []


def test_what_is_signed_is_the_pre_authentication_encoding() -> None:
    # The example of the DSSE specification.
    assert dsse.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_an_envelope_reads_back_and_verifies() -> None:
    envelope = dsse.sign("type", b"payload", [HUB]).countersigned(NEW)
    again = dsse.parse(envelope.to_bytes(), "type")
    assert again == envelope
    assert again.signers([NEW.verify_key, MALLORY.verify_key]) == [NEW.verify_key]


def test_key_ids_are_only_hints() -> None:
    envelope = dsse.sign("type", b"payload", [HUB])
    renamed = replace(envelope, signatures=(replace(envelope.signatures[0], key_id="mallory"),))
    assert renamed.signers([HUB.verify_key]) == [HUB.verify_key]
    forged = dsse.sign("type", b"payload", [SigningKey(name="hub-1", seed=bytes([9]) * 32)])
    assert forged.signers([HUB.verify_key]) == []


def test_a_signature_is_over_the_type_too() -> None:
    envelope = dsse.sign("type", b"payload", [HUB])
    assert replace(envelope, payload_type="other").signers([HUB.verify_key]) == []
    with pytest.raises(dsse.BadEnvelope):
        dsse.parse(envelope.to_bytes(), "other")


def test_both_base64_alphabets_are_read() -> None:
    payload = bytes(range(248, 256)) * 3
    envelope = dsse.sign("type", payload, [HUB])
    text = envelope.to_bytes().decode()
    standard = base64.b64encode(payload).decode()
    urlsafe = base64.urlsafe_b64encode(payload).decode()
    assert standard != urlsafe
    assert dsse.parse(text.replace(standard, urlsafe).encode(), "type").payload == payload


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"payloadType":"type"}',
        b'{"payloadType":"type","signatures":[]}',
        b'{"payloadType":"type","signatures":[1],"payload":""}',
        b'{"payloadType":"type","signatures":[{"sig":1}],"payload":""}',
        b'{"payloadType":"type","signatures":[{"sig":"!"}],"payload":""}',
        b'{"payloadType":"type","signatures":[{"sig":""}]}',
        b'{"payloadType":"type","signatures":' + json.dumps([{"sig": ""}] * 101).encode() + b',"payload":""}',
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes) -> None:
    with pytest.raises(dsse.BadEnvelope):
        dsse.parse(data, "type")


def test_a_keyring_signed_by_enough_roots_is_trusted() -> None:
    assert trust_keyring(sign_keyring(RING, [ROOT, OTHER_ROOT]), ROOTS) == RING


@pytest.mark.parametrize("signers", [[ROOT], [ROOT, MALLORY], [MALLORY], [ROOT, ROOT]])
def test_a_keyring_signed_by_too_few_roots_is_not(signers: list[SigningKey]) -> None:
    with pytest.raises(UntrustedKeyring, match="signed by"):
        trust_keyring(sign_keyring(RING, signers), ROOTS)


def test_one_root_under_two_names_is_one_root() -> None:
    alias = VerifyKey(name="alias", public_key=ROOT.public_key)
    with pytest.raises(BadKey):
        Roots(keys=(ROOT.verify_key, alias), threshold=2)


def test_other_documents_of_the_roots_are_no_keyring() -> None:
    for payload in (b"{}", b"x"):
        with pytest.raises(UntrustedKeyring, match="no keyring"):
            trust_keyring(dsse.sign(dsse.KEYRING_TYPE, payload, [ROOT, OTHER_ROOT]).to_bytes(), ROOTS)
    with pytest.raises(UntrustedKeyring):
        trust_keyring(b"x", ROOTS)


def test_rotation_ends_one_range_and_begins_another() -> None:
    new = KeyringKey(name="hub-2", public_key=NEW.public_key, uses=KEY.uses)
    rotated = RING.rotated(new, at=100)
    assert rotated.version == 2
    found = [[key.name for key in rotated.holding(Use.STATEMENT, index)] for index in (9, 10, 99, 100)]
    assert found == [[], ["hub-1"], ["hub-1"], ["hub-2"]]
    assert [key.name for key in verify_keys(rotated.checkpoint_keys(100))] == ["hub-1"]
    assert [key.name for key in verify_keys(rotated.checkpoint_keys(101))] == ["hub-2"]


def test_a_revoked_key_signs_statements_up_to_its_index_and_no_checkpoint() -> None:
    revoked = RING.revoked("hub-1", at=50)
    assert revoked.holding(Use.STATEMENT, 49)
    assert not revoked.holding(Use.STATEMENT, 50)
    assert not revoked.checkpoint_keys(20)
    assert revoked.revoked("hub-1", at=80).holding(Use.STATEMENT, 49)
    assert not revoked.revoked("hub-1", at=30).holding(Use.STATEMENT, 49)
    with pytest.raises(ValueError, match="no such key"):
        RING.revoked("nobody", at=1)


def test_a_partner_key_signs_acknowledgements_only() -> None:
    party = PartyId("DE", "MSP")
    key = KeyringKey(name="msp", public_key=NEW.public_key, uses=frozenset({Use.ACKNOWLEDGEMENT}), party=party)
    ring = RING.rotated(key, at=5)
    assert ring.holding(Use.ACKNOWLEDGEMENT, 5, party)
    assert not ring.holding(Use.ACKNOWLEDGEMENT, 5)
    assert ring.find("hub-1") == KEY
    for uses in (frozenset({Use.STATEMENT}), frozenset({Use.STATEMENT, Use.ACKNOWLEDGEMENT}), frozenset[Use]()):
        with pytest.raises(ValueError, match="partner's key"):
            replace(key, uses=uses)


@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.none() | st.integers(100, 199), st.none() | st.integers(0, 199)), max_size=4
    )
)
def test_a_keyring_reads_back_as_it_was_written(ranges: list[tuple[int, int | None, int | None]]) -> None:
    keys = tuple(
        replace(KEY, name=f"k-{number}", first_index=first, end_index=end, revoked_index=revoked)
        for number, (first, end, revoked) in enumerate(ranges)
    )
    ring = replace(RING, keys=keys)
    assert Keyring.from_bytes(ring.to_bytes()) == ring


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ('"version":1', '"version":"1"'),
        ('"name":"hub-1"', '"name":"hub 1"'),
        ('"party":""', '"party":"DE-MSP"'),
        ('"CHECKPOINT","STATEMENT"', '"STATEMENT","CHECKPOINT"'),
        ('"CHECKPOINT"', '"ANYTHING"'),
        ('"public_key":"', '"public_key":"A'),
        ('"end_index":null', '"end_index":5'),
        ("keyring.v1", "keyring.v2"),
    ],
)
def test_a_damaged_keyring_is_refused(was: str, becomes: str) -> None:
    text = RING.to_bytes().decode()
    assert was in text
    with pytest.raises(MalformedDocument):
        Keyring.from_bytes(text.replace(was, becomes).encode())


def test_two_keys_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="one name"):
        replace(RING, keys=(KEY, KEY))
    with pytest.raises(ValueError, match="ends after"):
        replace(KEY, end_index=3)
    with pytest.raises(ValueError, match="32 bytes"):
        replace(KEY, public_key=b"")
