"""What operators and partners see of gaps on the command line, which calls a real hub."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import grpc
import pytest
from roamhub.v1 import clearing_pb2 as pb
from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

from hub.app.clearing.periods import follow_clock
from hub.cli.app import run
from hub.domain.parties import Role
from hub.main import Hub
from tests.conftest import PartnerFactory
from tests.rpc.test_gaps import report
from tests.support import Partner, agree

#: Runs a command as the hub's operator: its exit code, what it printed, and what it said on standard error.
Roamhub = Callable[..., Awaitable[tuple[int, str, str]]]


@pytest.fixture
def roamhub(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Roamhub:
    config = tmp_path / "hub.toml"
    config.write_text(f'data_dir = "{hub.config.data_dir}"\nlisten = "127.0.0.1:{hub.port}"\n')
    monkeypatch.setenv("ROAMHUB_CONFIG", str(config))
    monkeypatch.delenv("ROAMHUB_DATA", raising=False)

    async def roamhub(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return roamhub


@pytest.fixture
async def pair(hub: Hub, partner: PartnerFactory) -> tuple[Partner, Partner]:
    cpo = await partner("NL-CPO", roles=(Role.CPO,))
    emsp = await partner("DE-MSP", roles=(Role.EMSP,))
    await agree(hub, cpo.party, emsp.party)
    return cpo, emsp


async def test_gaps_are_listed_with_what_to_do(pair: tuple[Partner, Partner], roamhub: Roamhub) -> None:
    await report(*pair, "S-1")
    code, out, _ = await roamhub("gaps")
    heading, line, hint = out.splitlines()
    assert code == 0
    assert heading.split() == ["LEVEL", "WHAT", "ID", "CPO", "EMSP", "SINCE", "AGE", "REASON", "DEADLINE"]
    assert line.split()[:5] == ["WARNING", "session", "S-1", "NL-CPO", "DE-MSP"]
    assert "3d 0h  NO_CDR" in line
    assert hint.startswith("NO_CDR: submit the session's CDR")
    code, out, _ = await roamhub("gaps", "--json")
    assert [gap["session_id"] for gap in json.loads(out)] == ["S-1"]


async def test_gaps_are_counted(pair: tuple[Partner, Partner], roamhub: Roamhub) -> None:
    await report(*pair, "S-1")
    _, out, _ = await roamhub("gaps", "--summary")
    counted = [line.split()[:4] for line in out.splitlines()]
    assert ["sessions", "without", "CDR", "1"] in counted
    assert ["CDRs", "without", "session", "0"] in counted
    _, out, _ = await roamhub("gaps", "--summary", "--json", "--kind", "sessions")
    (kind,) = json.loads(out)["kinds"]
    assert (kind["kind"], kind["gap_count"]) == ("KIND_SESSION_WITHOUT_CDR", "1")


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--party", "NL-CPO"], True),
        (["--party", "FR-XYZ"], False),
        (["--kind", "cdrs"], False),
        (["--kind", "cdrs", "--kind", "sessions"], True),
        (["--older-than", "70"], True),
        (["--older-than", "80"], False),
        (["--from", "2020-01-01", "--before", "2020-02-01T00:00:00+01:00"], False),
        (["--from", "2020-01-01"], True),
        (["--agreement", "agreements/nl-cpo-de-msp"], True),
    ],
)
async def test_gaps_are_narrowed(
    pair: tuple[Partner, Partner], roamhub: Roamhub, options: list[str], shown: bool
) -> None:
    await report(*pair, "S-1")
    code, out, error = await roamhub("gaps", *options)
    assert (code, "S-1" in out, error) == (0, shown, "")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--party", "NLCPO"], "write a party like NL-ABC"),
        (["--kind", "money"], "must be one of sessions, cdrs, authorizations, silent"),
        (["--from", "yesterday"], "write a date"),
    ],
)
async def test_what_cannot_be_understood_is_exit_2(
    pair: tuple[Partner, Partner], roamhub: Roamhub, options: list[str], said: str
) -> None:
    code, _, error = await roamhub("gaps", *options)
    assert (code, said in error) == (2, True)


async def test_of_several_periods_those_that_were_done_before_a_refusal_are_shown(
    hub: Hub, pair: tuple[Partner, Partner], roamhub: Roamhub, operator_channel: grpc.aio.Channel
) -> None:
    await hub.committer.run(lambda uow: follow_clock(uow, hub.clearing))
    stub = ClearingServiceStub(operator_channel)
    (period,) = (await stub.ListPeriods(pb.ListPeriodsRequest(parent="agreements/-"))).periods
    code, out, error = await roamhub("period", "cut-off", period.name, period.name, "--json")
    assert (code, [each["name"] for each in json.loads(out)]) == (3, [period.name])
    assert json.loads(error)["error"]["reason"] == "PERIOD_STATE"
    code, out, error = await roamhub("period", "calculate", period.name, period.name)
    assert (code, period.name in out) == (3, True)
    assert error.startswith("roamhub: PERIOD_STATE: ")


async def test_periods_are_listed_and_cut_off_with_a_word_on_what_is_missing(
    hub: Hub, pair: tuple[Partner, Partner], roamhub: Roamhub, operator_channel: grpc.aio.Channel
) -> None:
    await hub.committer.run(lambda uow: follow_clock(uow, hub.clearing))
    (period,) = (
        await ClearingServiceStub(operator_channel).ListPeriods(pb.ListPeriodsRequest(parent="agreements/-"))
    ).periods
    _, _, error = await roamhub("period", "list")
    assert error == ""
    await report(*pair, "S-1")
    said = "1 sessions without CDR (oldest "
    _, out, error = await roamhub("period", "list")
    assert (period.name in out, error.startswith(f"open gaps: {said}")) == (True, True)
    code, out, error = await roamhub("period", "cut-off", period.name, "--json")
    assert (code, json.loads(out)[0]["state"]) == (0, "STATE_CUT_OFF")
    assert error.startswith(f"open gaps of agreements/nl-cpo-de-msp: {said}")
