"""TokenService over real mutual TLS: what an eMSP publishes, and what is refused."""

import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from roamhub.v1 import common_pb2, token_pb2, token_pb2_grpc
from roamhub.v1 import token_object_pb2 as pb
from roamhub.v1.common_pb2 import ItemOutcome

from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.support import Partner, agree, all_facts, refusal

NOW = datetime.now(UTC).replace(microsecond=0)
Stub = Any  # generated stubs say which kind they are to the type checker only
MSP = common_pb2.PartyKey(country_code="DE", party_id="MSP")
APPLIED, UNCHANGED, REFUSED = ItemOutcome.RESULT_APPLIED, ItemOutcome.RESULT_UNCHANGED, ItemOutcome.RESULT_REFUSED


def stamp(seconds: int = 0) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(NOW + timedelta(seconds=seconds))
    return made


def token(uid: str = "04a2f1", at: int = -3600, **changes: Any) -> pb.Token:
    said: dict[str, Any] = {
        "country_code": "DE",
        "party_id": "MSP",
        "uid": uid,
        "type": "RFID",
        "contract_id": "DE-MSP-C12345678-X",
        "issuer": "Roam Inc.",
        "valid": True,
        "whitelist": pb.WHITELIST_TYPE_ALLOWED,
        "last_updated": stamp(at),
        "extensions": '{"card_colour":"green","n":0.10}',
    }
    return pb.Token(**(said | changes))


def key(uid: str = "04a2f1", **changes: str) -> token_pb2.TokenKey:
    return token_pb2.TokenKey(**({"country_code": "de", "party_id": "msp", "uid": uid, "type": "RFID"} | changes))


@pytest.fixture
async def msp(partner: PartnerFactory) -> Partner:
    return await partner("DE-MSP", roles=(Role.EMSP,))


@pytest.fixture
async def emsp(msp: Partner) -> Stub:
    return token_pb2_grpc.TokenServiceStub(msp.channel)


async def received(stream: Any) -> tuple[list[Any], grpc.aio.AioRpcError]:
    """Return what a stream brought and the error that it ended in."""
    messages = []
    try:
        async for message in stream:
            messages.append(message)  # noqa: PERF401 - what came before the error counts
    except grpc.aio.AioRpcError as error:
        return messages, error
    raise AssertionError("the stream ended well")


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


async def test_a_token_is_read_back_as_it_was_sent(emsp: Stub) -> None:
    answer = await emsp.PutToken(token_pb2.PutTokenRequest(token=token()))
    assert answer.result == APPLIED
    assert (await emsp.PutToken(token_pb2.PutTokenRequest(token=token()))).result == UNCHANGED
    assert await emsp.GetToken(token_pb2.GetTokenRequest(token=key("04A2F1", type=""))) == token()


async def test_uid_and_type_compare_without_case_and_keep_their_spelling(emsp: Stub) -> None:
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token("AbCd", type="rfid")))
    found = await emsp.GetToken(token_pb2.GetTokenRequest(token=key("aBcD", type="Rfid")))
    assert (found.uid, found.type) == ("AbCd", "rfid")
    respelled = token("ABCD", type="RFID", at=-1)
    assert (await emsp.PutToken(token_pb2.PutTokenRequest(token=respelled))).result == APPLIED
    listed = await emsp.ListTokens(token_pb2.ListTokensRequest(party=MSP))
    assert list(listed.tokens) == [respelled]


async def test_each_item_of_a_batch_is_answered_for_itself(emsp: Stub) -> None:
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token("known")))
    tokens = [
        token("new"),
        token("known"),
        token("known", at=-7200, contract_id="older"),
        token("foreign", country_code="FR", party_id="OTH"),
        token("bad", contract_id="", whitelist=pb.WHITELIST_TYPE_UNSPECIFIED),
    ]
    answer = await emsp.BatchPutTokens(token_pb2.BatchPutTokensRequest(tokens=tokens))
    assert [outcome.result for outcome in answer.outcomes] == [APPLIED, UNCHANGED, REFUSED, REFUSED, REFUSED]
    assert [outcome.error.reason for outcome in answer.outcomes[2:]] == [
        "OUT_OF_DATE",
        "NOT_PERMITTED",
        "INVALID_FIELD",
    ]
    assert [violation.field for violation in answer.outcomes[4].error.violations] == [
        "tokens[4].contract_id",
        "tokens[4].whitelist",
    ]
    assert [outcome.index for outcome in answer.outcomes] == [0, 1, 2, 3, 4]


async def test_a_stream_is_answered_chunk_by_chunk_with_its_refusals(emsp: Stub) -> None:
    async def chunks() -> AsyncIterator[token_pb2.StreamTokensRequest]:
        yield token_pb2.StreamTokensRequest(tokens=[token(f"u{i}") for i in range(1000)])
        yield token_pb2.StreamTokensRequest(tokens=[token("u0"), token("u1", valid=None), token("u1000")])

    answers = [answer async for answer in emsp.StreamTokens(chunks())]
    assert [answer.received_count for answer in answers] == [1000, 1003]
    last = answers[-1]
    assert (last.applied_count, last.unchanged_count, last.refused_count) == (1001, 1, 1)
    assert [(r.index, r.error.violations[0].field) for r in last.refusals] == [(1001, "tokens[1].valid")]


async def test_what_a_stream_that_breaks_was_answered_is_kept(emsp: Stub) -> None:
    async def chunks() -> AsyncIterator[token_pb2.StreamTokensRequest]:
        yield token_pb2.StreamTokensRequest(tokens=[token("kept")])
        yield token_pb2.StreamTokensRequest(tokens=[])

    answers, error = await received(emsp.StreamTokens(chunks()))
    assert refusal(error).fields == ["tokens"]
    assert [answer.applied_count for answer in answers] == [1]
    assert await emsp.GetToken(token_pb2.GetTokenRequest(token=key("kept"))) == token("kept")


async def test_a_patch_changes_the_fields_that_its_mask_names(emsp: Stub) -> None:
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token(group_id="g1")))
    patch = pb.Token(country_code="DE", party_id="MSP", uid="04a2f1", valid=False, last_updated=stamp(-60))
    changed = await emsp.PatchToken(
        token_pb2.PatchTokenRequest(token=patch, update_mask=FieldMask(paths=["valid", "group_id"]))
    )
    assert changed == token(valid=False, at=-60)
    assert await emsp.GetToken(token_pb2.GetTokenRequest(token=key())) == changed


async def test_an_older_patch_a_bad_mask_and_one_that_breaks_the_token_are_refused(emsp: Stub) -> None:
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token()))
    base: dict[str, Any] = {"country_code": "DE", "party_id": "MSP", "uid": "04a2f1"}

    async def patch(mask: list[str], at: int = -60, **changes: Any) -> Any:
        patched = pb.Token(**base, last_updated=stamp(at), **changes)
        request = token_pb2.PatchTokenRequest(token=patched, update_mask=FieldMask(paths=mask))
        return await refused(emsp.PatchToken(request))

    assert (await patch(["contract_id"], at=-7200, contract_id="older")).reason == "OUT_OF_DATE"
    assert (await patch(["uid"])).fields == ["update_mask"]
    assert (await patch(["colour"])).fields == ["update_mask"]
    assert (await patch(["issuer"])).fields == ["token.issuer"]
    assert (await patch(["valid"])).fields == ["token.valid"]
    missing = pb.Token(country_code="DE", party_id="MSP", uid="none", last_updated=stamp())
    answer = await refused(emsp.PatchToken(token_pb2.PatchTokenRequest(token=missing)))
    assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "TOKEN_NOT_FOUND")
    assert await emsp.GetToken(token_pb2.GetTokenRequest(token=key())) == token()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pb.WHITELIST_TYPE_ALWAYS, pb.WHITELIST_TYPE_NEVER),
        (pb.WHITELIST_TYPE_ALLOWED_OFFLINE, pb.WHITELIST_TYPE_ALLOWED_OFFLINE),
    ],
)
async def test_invalidating_leaves_no_whitelist_that_overrides_it(emsp: Stub, before: Any, after: Any) -> None:
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token(whitelist=before)))
    blocked = await emsp.InvalidateToken(token_pb2.InvalidateTokenRequest(token=key(), last_updated=stamp(-1)))
    assert blocked == token(valid=False, whitelist=after, at=-1)
    again = await emsp.InvalidateToken(token_pb2.InvalidateTokenRequest(token=key(), last_updated=stamp(-1)))
    assert again == blocked


async def test_pages_hold_every_token_once(emsp: Stub) -> None:
    every = [token(f"u{i:02}", at=-i) for i in range(7)]
    await emsp.BatchPutTokens(token_pb2.BatchPutTokensRequest(tokens=every))
    seen, request = [], token_pb2.ListTokensRequest(party=MSP, page_size=3)
    while True:
        answer = await emsp.ListTokens(request)
        seen.append(list(answer.tokens))
        if not answer.next_page_token:
            break
        request.page_token = answer.next_page_token
    assert [len(page) for page in seen] == [3, 3, 1]
    assert sum(seen, []) == every  # noqa: RUF017 - three short lists
    request.updated_since.CopyFrom(stamp(-2))
    assert (await refused(emsp.ListTokens(request))).fields == ["page_token"]
    request.page_token = ""
    assert [each.uid for each in (await emsp.ListTokens(request)).tokens] == ["u00", "u01", "u02"]


async def test_a_cpo_with_an_agreement_sees_no_token_and_no_fact_about_one(
    hub: Hub, partner: PartnerFactory, msp: Partner, emsp: Stub
) -> None:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    await agree(hub, cpo.party, msp.party)
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token()))
    stub = token_pb2_grpc.TokenServiceStub(cpo.channel)
    for call in (
        stub.GetToken(token_pb2.GetTokenRequest(token=key())),
        stub.GetToken(token_pb2.GetTokenRequest(token=key("none"))),
        stub.ListTokens(token_pb2.ListTokensRequest(party=MSP)),
        stub.PutToken(token_pb2.PutTokenRequest(token=token())),
        stub.InvalidateToken(token_pb2.InvalidateTokenRequest(token=key(), last_updated=stamp())),
        stub.BatchPutTokens(token_pb2.BatchPutTokensRequest(tokens=[token()])),
    ):
        answer = await refused(call)
        assert (answer.code, answer.reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_PERMITTED")

    async def kinds_seen(channel: grpc.aio.Channel) -> set[str]:
        return {entry.kind for entry in await all_facts(hub, channel)}

    assert "token" in await kinds_seen(msp.channel)
    assert "token" not in await kinds_seen(cpo.channel)


BAD: dict[str, dict[str, Any]] = {
    "token.uid": {"uid": ""},
    "token.uid ": {"uid": "x" * 37},
    "token.uid  ": {"uid": "a\x00b"},
    "token.uid   ": {"uid": "a\nb"},
    "token.type": {"type": ""},
    "token.type ": {"type": "R/F"},
    "token.contract_id": {"contract_id": "x" * 37},
    "token.issuer": {"issuer": ""},
    "token.issuer ": {"issuer": "x" * 65},
    "token.visual_number": {"visual_number": "\x07"},
    "token.group_id": {"group_id": ""},
    "token.valid": {"valid": None},
    "token.whitelist": {"whitelist": 0},
    "token.whitelist ": {"whitelist": 77},
    "token.language": {"language": "english"},
    "token.default_profile_type": {"default_profile_type": 99},
    "token.energy_contract.supplier_name": {"energy_contract": pb.EnergyContract()},
    "token.energy_contract.contract_id": {
        "energy_contract": pb.EnergyContract(supplier_name="a", contract_id="x" * 65)
    },
    "token.extensions": {"extensions": "[1]"},
    "token.extensions ": {"extensions": "{"},
    "token.extensions  ": {"extensions": '{"a":"' + "x" * 65_536 + '"}'},
    "token.last_updated": {"last_updated": None},
    "token.last_updated ": {"last_updated": Timestamp(seconds=-(1 << 62))},
    "token.last_updated  ": {"last_updated": Timestamp(seconds=1, nanos=-5)},
    "token.last_updated   ": {"last_updated": stamp(3600)},
}


@pytest.mark.parametrize("case", BAD)
async def test_a_token_that_cannot_be_names_its_field_and_leaves_no_trace(emsp: Stub, case: str) -> None:
    answer = await refused(emsp.PutToken(token_pb2.PutTokenRequest(token=token(**BAD[case]))))
    assert (answer.code, answer.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert answer.fields == [case.strip()]
    listed = await emsp.ListTokens(token_pb2.ListTokensRequest(party=MSP))
    assert not listed.tokens


async def test_a_clock_that_is_a_little_ahead_is_forgiven_and_ten_minutes_are_not(emsp: Stub) -> None:
    now = int((datetime.now(UTC) - NOW).total_seconds())  # NOW is when this module was loaded
    await emsp.PutToken(token_pb2.PutTokenRequest(token=token(at=now + 120)))
    answer = await refused(emsp.PutToken(token_pb2.PutTokenRequest(token=token(at=now + 601))))
    assert answer.fields == ["token.last_updated"]


async def test_batches_have_a_least_and_a_most(emsp: Stub) -> None:
    for tokens in ([], [token(f"u{i}") for i in range(1001)]):
        answer = await refused(emsp.BatchPutTokens(token_pb2.BatchPutTokensRequest(tokens=tokens)))
        assert answer.fields == ["tokens"]


async def test_page_arguments_that_cannot_be_are_refused(emsp: Stub) -> None:
    for changes in ({"page_size": -1}, {"page_token": "?"}, {"page_token": "AAAA"}, {"page_token": "x" * 2000}):
        answer = await refused(emsp.ListTokens(token_pb2.ListTokensRequest(party=MSP, **changes)))
        assert answer.fields == list(changes)


async def test_no_log_line_holds_a_uid_or_a_contract_id(emsp: Stub, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = token("SECRETUID", contract_id="SECRETCONTRACT", group_id="SECRETGROUP")
    await emsp.PutToken(token_pb2.PutTokenRequest(token=secret))
    await refused(emsp.GetToken(token_pb2.GetTokenRequest(token=key("SECRETMISSING"))))
    late = token("SECRETUID", at=-9999)
    answer = await refused(emsp.PutToken(token_pb2.PutTokenRequest(token=late)))
    bad = token("SECRETUID", contract_id="SECRETCONTRACT", issuer="")
    worse = await refused(emsp.PutToken(token_pb2.PutTokenRequest(token=bad)))
    shown = caplog.text + str([vars(record) for record in caplog.records]) + str(answer) + str(worse)
    assert "secret" not in shown.lower().replace("secretary", "")
