"""Quality over real mutual TLS: who may see whose figures, and how the command line shows them."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from roamhub.v1 import cdr_object_pb2, cdr_pb2, common_pb2
from roamhub.v1 import party_pb2 as pb
from roamhub.v1.authorization_pb2 import AuthorizeRequest
from roamhub.v1.authorization_pb2_grpc import AuthorizationServiceStub
from roamhub.v1.cdr_pb2_grpc import CdrServiceStub
from roamhub.v1.party_pb2_grpc import PartyServiceStub

from hub.cli.app import run
from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import Check
from hub.domain.parties import Role
from hub.main import Hub
from tests.cdrs import make_cdr
from tests.conftest import PartnerFactory
from tests.rpc.partners import held_link, key, says_yes
from tests.rpc.roaming import publish
from tests.support import Partner, agree, refusal

LENIENT = {str(check): CheckAction.ACCEPT for check in Check if check is not Check.CURRENCY_MISMATCH}
KIND = pb.PartyQuality.Component


async def submit(cpo: Partner, cdr: cdr_object_pb2.Cdr) -> None:
    await CdrServiceStub(cpo.channel).SubmitCdr(cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=cdr))


async def quality(channel: grpc.aio.Channel, name: str = "parties/nl-cpo", **request: Any) -> pb.PartyQuality:
    return await PartyServiceStub(channel).GetPartyQuality(pb.GetPartyQualityRequest(name=name, **request))


async def refused(channel: grpc.aio.Channel, name: str = "parties/nl-cpo", **request: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await quality(channel, name, **request)
    return refusal(caught.value)


@pytest.fixture
async def cpo(hub: Hub, partner: PartnerFactory) -> Partner:
    return await partner("NL-CPO", roles=(Role.CPO,))


@pytest.fixture
async def emsp(hub: Hub, partner: PartnerFactory, cpo: Partner) -> Partner:
    """Return an eMSP that got three charges of the CPO, and one that was returned."""
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party, checks=LENIENT)
    for number in range(3):
        await submit(cpo, make_cdr(f"C{number}"))
    await submit(cpo, make_cdr("C3", currency="USD"))
    return emsp


async def test_the_score_comes_with_all_that_makes_it(cpo: Partner, emsp: Partner) -> None:
    found = await quality(cpo.channel)
    assert (found.name, found.HasField("counterparty")) == ("parties/nl-cpo", False)
    parts = {part.kind: part for part in found.components}
    assert set(parts) == {KIND.KIND_FIRST_PASS, KIND.KIND_CLEAN, KIND.KIND_PUNCTUAL, KIND.KIND_FINAL}
    first = parts[KIND.KIND_FIRST_PASS]
    assert (first.points.value, first.weight, first.good.value, first.total) == ("75.00", 40, "3", 4)
    assert found.score.value == "87.5"  # (40 x 75 + 10 x 100 + 20 x 100 + 10 x 100) / 80
    assert found.scarce
    assert (found.charge_count, found.accepted_at_once_count, found.returned_count) == (4, 3, 1)
    assert [(check.code, check.warning_count, check.error_count) for check in found.checks] == [
        ("CURRENCY_MISMATCH", 0, 1)
    ]
    assert 6 * 3600 <= found.lateness_median.seconds <= found.lateness_p90.seconds < 7 * 3600
    assert (found.end_time.ToDatetime() - found.start_time.ToDatetime()).days == 30


async def test_a_party_that_roams_with_it_sees_what_the_two_do_together(
    hub: Hub, partner: PartnerFactory, cpo: Partner, emsp: Partner, operator_channel: grpc.aio.Channel
) -> None:
    other = await partner("FR-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, other.party, checks=LENIENT)
    assert (await quality(operator_channel)).charge_count == 4
    assert (await quality(emsp.channel)).charge_count == 4
    seen = await quality(other.channel)
    assert (seen.counterparty.party_id, seen.charge_count, seen.HasField("score")) == ("MSP", 0, False)
    peer = common_pb2.PartyKey(country_code="DE", party_id="MSP")
    assert (await refused(other.channel, counterparty=peer)).reason == "QUALITY_NOT_FOUND"


async def test_a_stranger_cannot_tell_a_party_with_figures_from_none(
    partner: PartnerFactory, cpo: Partner, emsp: Partner
) -> None:
    stranger = await partner("FR-OTH", roles=(Role.EMSP,))
    answers = [await refused(stranger.channel, name) for name in ("parties/nl-cpo", "parties/zz-zzz")]
    assert answers[0] == answers[1]
    assert (answers[0].code, answers[0].reason) == (grpc.StatusCode.NOT_FOUND, "QUALITY_NOT_FOUND")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"name": "nl-cpo"}, "name"),
        ({"days": -1}, "days"),
        ({"days": 367}, "days"),
        ({"counterparty": common_pb2.PartyKey(country_code="NLD")}, "counterparty"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(cpo: Partner, request_: dict[str, Any], field: str) -> None:
    answer = await refused(cpo.channel, **request_)
    assert (answer.code, answer.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


async def test_an_emsp_is_judged_by_whether_it_answers(
    hub: Hub, partner: PartnerFactory, cpo: Partner, operator_channel: grpc.aio.Channel
) -> None:
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    await publish(hub, emsp.party, "NEVER")
    asked = AuthorizeRequest(cpo=key(cpo.party), token_uid="NEVER")
    with pytest.raises(grpc.aio.AioRpcError):
        await AuthorizationServiceStub(cpo.channel).Authorize(asked)
    async with held_link(emsp, says_yes):
        await AuthorizationServiceStub(cpo.channel).Authorize(asked)
    await hub.answers.record()
    for channel in (emsp.channel, operator_channel):
        found = await quality(channel, "parties/de-msp")
        assert (found.relayed_count, found.answered_count, found.score.value) == (2, 1, "50.0")
        assert [part.kind for part in found.components] == [KIND.KIND_RESPONSIVE]
    assert (await quality(cpo.channel, "parties/de-msp")).relayed_count == 0, "how it answers others is not shown"


async def test_the_command_shows_one_party_or_all(
    hub: Hub,
    cpo: Partner,
    emsp: Partner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = tmp_path / "hub.toml"
    config.write_text(f'data_dir = "{hub.config.data_dir}"\nlisten = "127.0.0.1:{hub.port}"\n')
    monkeypatch.setenv("ROAMHUB_CONFIG", str(config))
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)

    async def roamhub(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, ["partner", "quality", *arguments])
        return code, capsys.readouterr().out

    code, out = await roamhub("NL-CPO", "--days", "7")
    assert code == 0
    assert "score  87.5 (few)" in out
    assert "FIRST_PASS   75.00      40  3 of 4" in out
    assert "charges  4: 3 accepted on receipt (0 with warnings), 0 later; 1 returned" in out
    assert "CURRENCY_MISMATCH       1         0" in out
    code, out = await roamhub("nl-cpo", "--with", "DE-MSP", "--json")
    assert (code, json.loads(out)["score"]["value"]) == (0, "87.5")
    code, out = await roamhub()
    lines = [line.split() for line in out.splitlines()]
    assert (code, lines[1][:3], lines[2][:2]) == (0, ["NL-CPO", "87.5", "(few)"], ["DE-MSP", "none"])
    code, out = await roamhub("--json")
    assert {each["name"] for each in json.loads(out)} == {"parties/nl-cpo", "parties/de-msp"}
    assert (await roamhub("NLCPO"))[0] == 2
    assert (await roamhub("FR-XYZ"))[0] == 3
