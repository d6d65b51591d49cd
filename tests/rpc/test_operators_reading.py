"""Operators read everybody's CDRs, over real mutual TLS and on the command line; they change none."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from roamhub.v1 import cdr_pb2, cdr_pb2_grpc, common_pb2

from hub.cli.app import run
from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks import Check
from hub.domain.parties import Role
from hub.main import Hub
from tests.cdrs import make_cdr, number, submission
from tests.conftest import PartnerFactory
from tests.rpc.roaming import publish_cdr_token
from tests.support import Partner, agree, refusal

CHECKS = {
    **{str(check): CheckAction.ACCEPT for check in Check if not check.startswith("CREDIT")},
    "ENERGY_SUM_MISMATCH": CheckAction.QUARANTINE,
    "PRICE_MISMATCH": CheckAction.RETURN,
}

#: Runs a command as the hub's operator: its exit code, what it printed, and what it said on standard error.
Roamhub = Callable[..., Awaitable[tuple[int, str, str]]]


class World:
    """A hub with three CDRs of two CPOs and one eMSP, and a stranger to all."""

    def __init__(self, operator: grpc.aio.Channel, *partners: Partner) -> None:
        channels = [operator, *(partner.channel for partner in partners)]
        stubs: list[cdr_pb2_grpc.CdrServiceAsyncStub] = [cdr_pb2_grpc.CdrServiceStub(each) for each in channels]
        self.operator, self.cpo, self.second, self.emsp, self.stranger = stubs


def key(name: str, party: str = "CPO") -> common_pb2.ObjectKey:
    return common_pb2.ObjectKey(country_code="NL", party_id=party, id=name)


def named(text: str) -> common_pb2.PartyKey:
    return common_pb2.PartyKey(country_code=text[:2], party_id=text[3:])


async def refused(call: Any) -> Any:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal(caught.value)


async def listed(stub: Any, size: int = 100, **wanted: Any) -> list[str]:
    """Return the ids of all CDRs of a list, page by page."""
    request, names = cdr_pb2.ListCdrsRequest(page_size=size, **wanted), []
    while True:
        page = await stub.ListCdrs(request)
        names += [record.cdr.id for record in page.cdrs]
        request.page_token = page.next_page_token
        if not request.page_token:
            return names


async def waiting(stub: Any, **wanted: Any) -> list[str]:
    page = await stub.ListReturns(cdr_pb2.ListReturnsRequest(**wanted))
    return [record.cdr.id for record in page.cdrs]


@pytest.fixture
async def world(hub: Hub, partner: PartnerFactory, operator_channel: grpc.aio.Channel) -> World:
    cpo, second = [await partner(name, roles=(Role.CPO,)) for name in ("NL-CPO", "NL-TWO")]
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    stranger = await partner("FR-OTH", roles=(Role.CPO, Role.EMSP))
    for owner in (cpo, second):
        await agree(hub, owner.party, emsp.party, checks=CHECKS)
    await publish_cdr_token(hub, emsp.party)
    made = World(operator_channel, cpo, second, emsp, stranger)
    dear = make_cdr("C2", total_cost={"before_taxes": number("9")})
    doubtful = make_cdr("C3", total_energy=number("21"))
    doubtful.party_id = "TWO"
    for tariff in doubtful.tariffs:
        tariff.party_id = "TWO"
    states = []
    for position, (stub, cdr) in enumerate(((made.cpo, make_cdr("C1")), (made.cpo, dear), (made.second, doubtful))):
        states.append((await stub.SubmitCdr(submission(cdr, position + 1))).state)
    assert states == [cdr_pb2.CDR_STATE_ACCEPTED, cdr_pb2.CDR_STATE_RETURNED, cdr_pb2.CDR_STATE_QUARANTINED]
    return made


@pytest.fixture
def roamhub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Roamhub:
    config = tmp_path / "hub.toml"
    config.write_text(f'data_dir = "{hub.config.data_dir}"\nlisten = "127.0.0.1:{hub.port}"\n')
    monkeypatch.setenv("ROAMHUB_CONFIG", str(config))
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)

    async def roamhub(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, ["cdr", *arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return roamhub


async def test_an_operator_reads_and_explains_any_cdr_as_its_two_sides_do(world: World) -> None:
    for name, party, owner in (("C1", "CPO", world.cpo), ("c2", "CPO", world.cpo), ("C3", "TWO", world.second)):
        asked = cdr_pb2.GetCdrRequest(key=key(name, party))
        record = await world.operator.GetCdr(asked)
        assert record == await owner.GetCdr(asked) == await world.emsp.GetCdr(asked)
        to_explain = cdr_pb2.ExplainCdrRequest(key=key(name, party))
        explained = await world.operator.ExplainCdr(to_explain)
        assert explained == await owner.ExplainCdr(to_explain) == await world.emsp.ExplainCdr(to_explain)
        assert explained.record == record
    disputed = await world.operator.ExplainCdr(cdr_pb2.ExplainCdrRequest(key=key("C2")))
    assert (disputed.agrees, disputed.costs[0].difference.before_taxes.value) == (False, "2.0000")
    assert disputed.rated.lines


async def test_a_missing_cdr_is_missing_for_operators_too(world: World) -> None:
    for missing in (key("C4"), key("C1", "TWO"), key("C1", "ZZZ")):
        for call in (
            world.operator.GetCdr(cdr_pb2.GetCdrRequest(key=missing)),
            world.operator.ExplainCdr(cdr_pb2.ExplainCdrRequest(key=missing)),
        ):
            answer = await refused(call)
            assert (answer.code, answer.reason) == (grpc.StatusCode.NOT_FOUND, "CDR_NOT_FOUND")


async def test_a_partner_cannot_tell_anothers_cdr_from_a_missing_one(world: World) -> None:
    for stub, another in ((world.stranger, key("C1")), (world.second, key("C1")), (world.cpo, key("C3", "TWO"))):
        seen = await refused(stub.GetCdr(cdr_pb2.GetCdrRequest(key=another)))
        explained = await refused(stub.ExplainCdr(cdr_pb2.ExplainCdrRequest(key=another)))
        assert seen == await refused(stub.GetCdr(cdr_pb2.GetCdrRequest(key=key("C9"))))
        assert explained == await refused(stub.ExplainCdr(cdr_pb2.ExplainCdrRequest(key=key("C9"))))
        assert seen.code == explained.code == grpc.StatusCode.NOT_FOUND
    assert await listed(world.stranger) == await waiting(world.stranger) == []
    assert await listed(world.second) == ["C3"]
    # Neither is there a difference between a party that is another's and one that does not exist.
    for call in (listed, waiting):
        answers = [await refused(call(world.stranger, party=named(party))) for party in ("NL-CPO", "ZZ-ZZZ")]
        assert answers[0] == answers[1]
        assert answers[0].code == grpc.StatusCode.PERMISSION_DENIED


async def test_an_operator_lists_everybodys_and_narrows_them(world: World) -> None:
    for size in (1, 2, 3):
        assert await listed(world.operator, size) == ["C1", "C2", "C3"]
    assert await listed(world.operator, 1, party=named("NL-CPO")) == ["C1", "C2"]
    assert await listed(world.operator, 1, party=named("DE-MSP")) == ["C1", "C2", "C3"]
    assert await listed(world.operator, party=named("de-msp"), counterparty=named("NL-TWO")) == ["C3"]
    assert await listed(world.operator, party=named("NL-TWO"), counterparty=named("NL-CPO")) == []
    assert await listed(world.operator, party=named("ZZ-ZZZ")) == []
    assert await listed(world.operator, state=cdr_pb2.CDR_STATE_RETURNED) == ["C2"]
    assert (await refused(listed(world.operator, party=named("NL-?")))).fields == ["party"]


async def test_an_operators_pages_keep_the_order_in_which_cdrs_of_several_cpos_came(world: World) -> None:
    for request, name in ((4, "C4"), (5, "C5")):
        await world.cpo.SubmitCdr(submission(make_cdr(name), request))
        other = make_cdr(f"X{name}")
        other.party_id = other.tariffs[0].party_id = "TWO"
        await world.second.SubmitCdr(submission(other, request))
    for size in range(1, 8):
        assert await listed(world.operator, size) == ["C1", "C2", "C3", "C4", "XC4", "C5", "XC5"]


async def test_a_partner_narrows_its_own_by_the_other_side(world: World) -> None:
    assert await listed(world.emsp, party=named("DE-MSP"), counterparty=named("NL-CPO")) == ["C1", "C2"]
    assert await listed(world.cpo, party=named("NL-CPO"), counterparty=named("FR-OTH")) == []
    alone = await refused(listed(world.emsp, counterparty=named("NL-CPO")))
    malformed = await refused(listed(world.emsp, party=named("DE-MSP"), counterparty=named("NL-?")))
    assert alone.fields == malformed.fields == ["counterparty"]


async def test_an_operator_sees_all_that_waits_and_whose_turn_it_is(world: World) -> None:
    assert await waiting(world.operator) == await waiting(world.operator, own_turn=True) == ["C3", "C2"]
    assert await waiting(world.operator, party=named("NL-TWO")) == ["C3"]
    assert await waiting(world.operator, party=named("NL-TWO"), own_turn=True) == []
    assert await waiting(world.operator, party=named("DE-MSP"), own_turn=True) == ["C3"]
    assert await waiting(world.operator, state=cdr_pb2.CDR_STATE_RETURNED) == ["C2"]
    assert await waiting(world.operator, party=named("ZZ-ZZZ")) == []


async def test_an_operator_changes_no_cdr(world: World) -> None:
    unique = "6f1c7a52-0d7e-4f8e-9d3c-6d4b8f0a1c2e"
    review = cdr_pb2.ReviewCdrRequest(
        request_id=unique, key=key("C3", "TWO"), emsp=named("DE-MSP"), decision=cdr_pb2.CDR_DECISION_ACCEPT
    )
    for call in (
        world.operator.ReviewCdr(review),
        world.operator.WithdrawCdr(cdr_pb2.WithdrawCdrRequest(request_id=unique, key=key("C2"))),
        world.operator.SubmitCdr(submission(make_cdr("C4"), 9)),
        world.operator.BatchSubmitCdrs(cdr_pb2.BatchSubmitCdrsRequest(requests=[submission(make_cdr("C4"), 9)])),
    ):
        assert (await refused(call)).code == grpc.StatusCode.PERMISSION_DENIED
    assert await waiting(world.operator) == ["C3", "C2"]
    assert await listed(world.operator) == ["C1", "C2", "C3"]


async def test_the_command_line_explains_a_cdr_with_the_certificate_of_the_data_directory(
    world: World, roamhub: Roamhub
) -> None:
    code, out, err = await roamhub("explain", "NL-CPO/C2")
    assert (code, err) == (0, "")
    assert "claim      does not agree" in out
    assert " ".join(next(line for line in out.splitlines() if line.startswith("total_cost")).split()) == (
        "total_cost before_taxes 9 7.0000 2.0000 differs"
    )
    code, out, _ = await roamhub("show", "NL-TWO/C3")
    assert (code, "waits for  DE-MSP" in out) == (0, True)
    code, _, err = await roamhub("show", "NL-TWO/C1")
    assert (code, err.startswith("roamhub: CDR_NOT_FOUND: ")) == (3, True)


async def test_the_command_line_lists_cdrs_with_the_certificate_of_the_data_directory(
    world: World, roamhub: Roamhub
) -> None:
    code, out, err = await roamhub("list")
    heading, *lines = out.splitlines()
    assert (code, err) == (0, "")
    assert heading.split() == ["CDR", "EMSP", "ENDED", "STATE", "KWH", "COST", "OURS", "STATEMENT"]
    assert [line.split()[0] for line in lines] == ["NL-CPO/C1", "NL-CPO/C2", "NL-TWO/C3"]
    assert lines[1].split()[3:] == ["RETURNED", "20.0000", "9", "EUR", "7.0000"]
    code, out, err = await roamhub("list", "--limit", "2", "--json")
    assert [each["cdr"]["id"] for each in json.loads(out)] == ["C1", "C2"]
    assert err == "there are more than these 2: narrow the list, or raise --limit\n"
    code, out, _ = await roamhub("returns")
    assert [line.split()[0] for line in out.splitlines()[1:]] == ["NL-TWO/C3", "NL-CPO/C2"]
    code, out, _ = await roamhub("returns", "--party", "NL-TWO")
    assert out.splitlines()[1:] == []


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--party", "NL-TWO"], ["NL-TWO/C3"]),
        (["--party", "DE-MSP", "--counterparty", "NL-CPO"], ["NL-CPO/C1", "NL-CPO/C2"]),
        (["--state", "accepted"], ["NL-CPO/C1"]),
        (["--from", "2020-01-01", "--before", "2020-02-01T00:00:00+01:00"], []),
        (["--from", "2020-01-01"], ["NL-CPO/C1", "NL-CPO/C2", "NL-TWO/C3"]),
    ],
)
async def test_a_list_is_narrowed_on_the_command_line(
    world: World, roamhub: Roamhub, options: list[str], shown: list[str]
) -> None:
    code, out, _ = await roamhub("list", *options)
    assert (code, [line.split()[0] for line in out.splitlines()[1:]]) == (0, shown)


@pytest.mark.parametrize("options", [["--party", "NL"], ["--state", "gone"], ["--before", "soon"]])
async def test_an_option_that_means_nothing_is_named(roamhub: Roamhub, options: list[str]) -> None:
    code, _, err = await roamhub("list", *options)
    assert (code, err.startswith(f"roamhub: UNUSABLE: {' '.join(options)}: ")) == (2, True)
