"""A simulated CPO: publishes its stations, asks whether drivers may charge, reports sessions, submits CDRs.

    python -m adapters.simulator.cpo --folder DIR --invitation FILE --party NL-VLT --emsp DE-GRN --seed 1 ...

Orders: `publish`, `agree`, `drive`, `drive_offline`, `mishaps`; it ends with its input. With --locations, --tariffs
and --drives-from it runs on real data (adapters.simulator.real) instead of its own inventions.
"""

import argparse
import asyncio
import random
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from google.protobuf.timestamp_pb2 import Timestamp
from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1.agreement_pb2 import Agreement, AgreementTerms, ListAgreementsRequest, ProposeAgreementRequest
from roamhub.v1.agreement_pb2_grpc import AgreementServiceStub
from roamhub.v1.authorization_pb2 import Authorization, AuthorizeRequest
from roamhub.v1.authorization_pb2_grpc import AuthorizationServiceStub
from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.cdr_pb2 import FINDING_SEVERITY_ERROR, CdrState, SubmitCdrRequest
from roamhub.v1.cdr_pb2_grpc import CdrServiceStub
from roamhub.v1.command_pb2 import (
    COMMAND_RESPONSE_TYPE_ACCEPTED,
    COMMAND_RESULT_TYPE_ACCEPTED,
    ReportCommandResultRequest,
)
from roamhub.v1.command_pb2_grpc import CommandServiceStub
from roamhub.v1.common_pb2 import ObjectKey, PartyKey
from roamhub.v1.journal_pb2 import JOURNAL_STREAM_REGISTRY
from roamhub.v1.location_object_pb2 import EVSE_STATUS_AVAILABLE, EVSE_STATUS_CHARGING, Location
from roamhub.v1.location_pb2 import EvseState
from roamhub.v1.partner_pb2 import CommandResponse, ExecuteCommandRequest
from roamhub.v1.session_object_pb2 import (
    AUTH_METHOD_AUTH_REQUEST,
    AUTH_METHOD_WHITELIST,
    SESSION_STATUS_COMPLETED,
)
from roamhub.v1.session_pb2 import AppendChargingPeriodsRequest, PutSessionRequest
from roamhub.v1.session_pb2_grpc import SessionServiceStub
from roamhub.v1.token_object_pb2 import ALLOWED_TYPE_ALLOWED, AllowedType, LocationReferences, Token

from adapters.partner import Handler, Partner, party
from adapters.partner.errors import Conflict, RoamhubError
from adapters.simulator.drives import Drive, Papers, World, credit_of, make_drives
from adapters.simulator.emsp import cards_of
from adapters.simulator.stage import orders, tell
from adapters.simulator.world import Plug, make_stations, make_tariffs, plugs_of, stamp

_AT_ONCE = 24
#: The share of the drives that take place while an eMSP cannot be reached.
_OFFLINE_SHARE = 0.1


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of drives."""

    answers: Counter[str] = field(default_factory=Counter)
    cdrs: list[Cdr] = field(default_factory=list)


class Stations(Handler):
    """Takes commands: every station does at once what it is told."""

    def __init__(self, partner: Partner, key: PartyKey) -> None:
        self._partner = partner
        self._key = key
        self._reports: set[asyncio.Task[object]] = set()

    async def command(self, request: ExecuteCommandRequest) -> CommandResponse:
        """Send a command on; the station's result follows."""
        report = ReportCommandResultRequest(cpo=self._key, name=request.name, result=COMMAND_RESULT_TYPE_ACCEPTED)
        call = self._partner.call(self._partner.stub(CommandServiceStub).ReportCommandResult, report)
        task: asyncio.Task[object] = asyncio.create_task(_later(call))
        self._reports.add(task)
        task.add_done_callback(self._reports.discard)
        return CommandResponse(result=COMMAND_RESPONSE_TYPE_ACCEPTED)


async def _later(call: Awaitable[object]) -> object:
    """Answer the command first."""
    await asyncio.sleep(0.05)
    return await call


class Cpo:
    """One CPO's back end."""

    def __init__(self, partner: Partner, key: PartyKey, emsps: Sequence[PartyKey], world: World) -> None:
        self._partner = partner
        self._key = key
        self._emsps = emsps
        self._world = world
        self._papers = Papers(world.tariffs)
        self._limit = asyncio.Semaphore(_AT_ONCE)
        self._sent: list[Cdr] = []

    async def publish(self) -> None:
        """Publish tariffs, locations, and what the EVSEs do."""
        started = time.monotonic()
        tariffs = await self._partner.publish.tariffs(self._world.tariffs)
        states: list[EvseState] = []

        def each() -> Iterable[Location]:
            now = Timestamp()
            now.GetCurrentTime()
            for location in self._world.locations:
                states.extend(
                    EvseState(location_id=location.id, evse_uid=evse.uid, status=evse.status, last_updated=now)
                    for evse in location.evses
                )
                yield location

        locations = await self._partner.publish.locations(each())
        seconds = time.monotonic() - started
        for number, state in enumerate(states):
            state.status = EVSE_STATUS_CHARGING if number % 7 == 0 else EVSE_STATUS_AVAILABLE
        updates = await self._partner.publish.evse_states(self._key, states)
        tell(
            "published",
            locations=locations.applied + locations.unchanged,
            tariffs=tariffs.applied + tariffs.unchanged,
            evses=len(states),
            states=updates.applied + updates.unchanged,
            refused=len(locations.refusals) + len(tariffs.refusals) + len(updates.refusals),
            refusals=[str(error) for _, error in (locations.refusals + tariffs.refusals + updates.refusals)[:5]],
            seconds=round(seconds, 1),
        )

    async def agree(self, since: datetime) -> None:
        """Propose an agreement to each eMSP and wait until both are in force."""
        stub = self._partner.stub(AgreementServiceStub)
        terms = AgreementTerms(
            services=[AgreementTerms.SERVICE_ROAMING, AgreementTerms.SERVICE_REMOTE],
            currency_code="EUR",
            cycle=AgreementTerms.CYCLE_MONTHLY,
            time_zone="Europe/Amsterdam",
            netting=AgreementTerms.NETTING_MULTILATERAL,
            start_time=stamp(since),
        )
        for emsp in self._emsps:
            request = ProposeAgreementRequest(party=self._key, cpo=self._key, emsp=emsp, terms=terms)
            await self._partner.call(stub.ProposeAgreement, request)
        agreements = await self._in_force()
        tell("agreed", agreements=[agreement.name for agreement in agreements])

    async def _in_force(self) -> Sequence[Agreement]:
        """Return the agreements once there is one with each eMSP, as the journal tells of changes."""
        active = ListAgreementsRequest(state=Agreement.STATE_ACTIVE)
        async with aclosing(self._partner.journal.follow(JOURNAL_STREAM_REGISTRY, kinds=["agreement"])) as changes:
            async for _ in changes:
                listed = await self._partner.call(self._partner.stub(AgreementServiceStub).ListAgreements, active)
                if len(listed.agreements) == len(self._emsps):
                    return listed.agreements
        raise AssertionError("the journal has no end")

    async def drive(self, drives: Sequence[Drive]) -> None:
        """Let drivers come, charge and leave; then submit the CDRs."""
        outcome = Outcome()
        async with asyncio.TaskGroup() as group:
            for each in drives:
                group.create_task(self._one(each, outcome))
        outcome.cdrs.sort(key=lambda cdr: cdr.id)
        submissions = await self._partner.cdrs.submit_all(outcome.cdrs)
        states = Counter(
            CdrState.Name(submission.response.state).removeprefix("CDR_STATE_")
            if submission.response
            else str(submission.error)
            for submission in submissions
        )
        findings = Counter(
            finding.code
            for submission in submissions
            if submission.response
            for finding in submission.response.findings
        )
        self._sent += [
            submission.cdr for submission in submissions if submission.response and not submission.response.findings
        ]
        tell("drove", drives=len(drives), answers=dict(outcome.answers), cdrs=dict(states), findings=dict(findings))

    async def _one(self, drive: Drive, outcome: Outcome) -> None:
        """One driver: may she charge? Then the session begins, goes on and ends."""
        async with self._limit:
            plug = drive.plug
            request = AuthorizeRequest(
                cpo=self._key,
                token_uid=drive.token.uid,
                token_type=drive.token.type,
                location=LocationReferences(location_id=plug.location.id, evse_uids=[plug.evse.uid]),
                request_id=str(uuid.uuid4()),
            )
            try:
                answer = await self._partner.call(self._partner.stub(AuthorizationServiceStub).Authorize, request)
            except RoamhubError as error:
                outcome.answers[error.reason] += 1
                return
            source = Authorization.Source.Name(answer.source).removeprefix("SOURCE_")
            if answer.allowed != ALLOWED_TYPE_ALLOWED:
                refusal = AllowedType.Name(answer.allowed).removeprefix("ALLOWED_TYPE_")
                outcome.answers[f"{refusal} by {source}"] += 1
                return
            outcome.answers[f"ALLOWED by {source}"] += 1
            outcome.cdrs.append(await self._charge(drive, answer))

    async def _charge(self, drive: Drive, answer: Authorization) -> Cdr:
        asked = answer.source == Authorization.SOURCE_PARTNER
        method = AUTH_METHOD_AUTH_REQUEST if asked else AUTH_METHOD_WHITELIST
        reference = answer.authorization_reference
        stub = self._partner.stub(SessionServiceStub)
        session = self._papers.session(drive, method, reference)
        cdr = self._papers.cdr(drive, method, reference)
        await self._partner.call(stub.PutSession, PutSessionRequest(session=session))
        ended = AppendChargingPeriodsRequest(
            key=ObjectKey(country_code=session.country_code, party_id=session.party_id, id=session.id),
            charging_periods=self._papers.periods(drive),
            kwh=PbDecimal(value=str(drive.kwh)),
            total_cost=cdr.total_cost,
            status=SESSION_STATUS_COMPLETED,
            end_date_time=stamp(drive.end),
            last_updated=stamp(drive.end),
        )
        await self._partner.call(stub.AppendChargingPeriods, ended)
        return cdr

    async def mishaps(self) -> None:
        """Send one CDR twice, another with other content, take a third back and bill it anew, at first wrongly."""
        twice, altered, taken_back = self._sent[0], Cdr(), self._sent[2]
        first = await self._partner.cdrs.submit(twice)
        stub = self._partner.stub(CdrServiceStub)
        # As a back end would that has lost its outbox: the same CDR under a new request id.
        again = await self._partner.call(stub.SubmitCdr, SubmitCdrRequest(request_id=str(uuid.uuid4()), cdr=twice))
        tell("duplicate", cdr=twice.id, index=first.receipt.journal_index, same=again.receipt == first.receipt)
        altered.CopyFrom(self._sent[1])
        before = Decimal(altered.total_cost.before_taxes.value)
        altered.total_cost.before_taxes.value = str(before + 10)
        try:
            await self._partner.cdrs.submit(altered)
            tell("conflict", cdr=altered.id, reason="")
        except Conflict as error:
            tell("conflict", cdr=altered.id, reason=error.reason)
        credit = credit_of(taken_back)
        answer = await self._partner.cdrs.submit(credit)
        state = CdrState.Name(answer.state).removeprefix("CDR_STATE_")
        amount = credit.total_cost.before_taxes.value
        tell("credit", cdr=credit.id, of=taken_back.id, amount=amount, state=state)
        await self._charge_anew(taken_back)

    async def _charge_anew(self, credited: Cdr) -> None:
        """Bill a credited charge once more: with a mistake, which the hub returns, then as it should be."""
        wrong, right = Cdr(), Cdr()
        for number, cdr in enumerate((wrong, right), start=2):
            cdr.CopyFrom(credited)
            cdr.id = f"{credited.id}-{number}"
        wrong.total_energy.value = str(Decimal(wrong.total_energy.value) * 1000)  # Wh, where kWh are wanted
        answer = await self._partner.cdrs.submit(wrong)
        errors = [finding for finding in answer.findings if finding.severity == FINDING_SEVERITY_ERROR]
        waiting = [record async for record in self._partner.returns.waiting()]
        corrected = await self._partner.cdrs.submit(right, replaces=wrong.id)
        tell(
            "returned",
            cdr=wrong.id,
            state=CdrState.Name(answer.state).removeprefix("CDR_STATE_"),
            codes=[finding.code for finding in errors],
            hints=[finding.fix_hint for finding in errors],
            waiting=[record.cdr.id for record in waiting],
            right=right.id,
            corrected=CdrState.Name(corrected.state).removeprefix("CDR_STATE_"),
        )


def month_of(arguments: argparse.Namespace) -> tuple[datetime, datetime]:
    """Return the simulated month: 28 days that lie wholly in the past."""
    start = datetime.fromisoformat(arguments.month).replace(tzinfo=UTC)
    return start, start + timedelta(days=28)


def make_world(arguments: argparse.Namespace, key: PartyKey, tokens: Sequence[Token]) -> World:
    """Return the world that the arguments ask for."""
    month = month_of(arguments)
    rng = random.Random(f"{arguments.seed} cpo")  # noqa: S311 - a simulation
    if arguments.locations:
        from adapters.simulator import real  # noqa: PLC0415 - reads OCPI files; not needed otherwise

        return real.make_world(
            key=key,
            tokens=tokens,
            locations=arguments.locations,
            tariffs=arguments.tariffs,
            drives=arguments.drives_from,
            count=arguments.drives,
            month=month,
            rng=rng,
        )
    since = month[0] - timedelta(days=60)
    tariffs = make_tariffs(key, since)
    locations = make_stations(key, arguments.stations, since, rng)
    plugs: list[Plug] = [plug for location in locations for plug in plugs_of(location)]
    drives = make_drives(plugs, tokens, arguments.drives, month, rng)
    return World(locations=locations, tariffs=tariffs, drives=drives)


async def run(arguments: argparse.Namespace) -> None:
    """Do as ordered until standard input ends."""
    key, emsps = party(arguments.party), [party(text) for text in arguments.emsp]
    tokens = [card.token for emsp in emsps for card in cards_of(emsp, arguments.cards, arguments.seed)]
    world = make_world(arguments, key, tokens)
    offline = int(len(world.drives) * (1 - _OFFLINE_SHARE))
    async with (
        await Partner.join(arguments.folder, arguments.invitation) as partner,
        partner.link(Stations(partner, key), key) as link,
    ):
        await link.connected.wait()
        cpo = Cpo(partner, key, emsps, world)
        tell("ready", drives=len(world.drives))
        async for order in orders():
            match order["do"]:
                case "publish":
                    await cpo.publish()
                case "agree":
                    await cpo.agree(month_of(arguments)[0] - timedelta(days=60))
                case "drive":
                    await cpo.drive(world.drives[:offline])
                case "drive_offline":
                    await cpo.drive(world.drives[offline:])
                case "mishaps":
                    await cpo.mishaps()
                case other:
                    tell("unknown", order=other)
            tell("done", order=order["do"])


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--invitation", type=Path, required=True)
    parser.add_argument("--party", required=True)
    parser.add_argument("--emsp", action="append", required=True, help="an eMSP to agree with; repeat for more")
    parser.add_argument("--month", required=True, help="first day of the simulated month, YYYY-MM-DD")
    parser.add_argument("--stations", type=int, default=200)
    parser.add_argument("--drives", type=int, default=400)
    parser.add_argument("--cards", type=int, default=60, help="cards of each eMSP")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--locations", type=Path, help="real OCPI locations")
    parser.add_argument("--tariffs", type=Path, help="real OCPI tariffs")
    parser.add_argument("--drives-from", type=Path, help="real charging sessions (CSV)")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
