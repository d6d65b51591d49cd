"""Two CPOs and two eMSPs whose authorizations, sessions and CDRs leave gaps, as a test tells them to."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1 import cdr_pb2, common_pb2, session_object_pb2

from hub.app.ports.spine import UseCase
from hub.app.radar import FoundGap, GapCount, GapFilter, Place, count_gaps, list_gaps
from hub.app.sessions import put_sessions
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Terms
from hub.domain.authorizations import Allowed, Authorization, Source
from hub.domain.cdrs.checks import Check
from hub.domain.cdrs.record import CdrAnswer, CdrState
from hub.domain.ids import PartyId
from hub.domain.parties import Caller, Party, PartyState, Role
from hub.domain.radar import Gap, GapKind
from hub.rpc.cdr_wire import submission_from_pb
from hub.rpc.cdrs import submit as submit_cdrs
from hub.rpc.sessions import session_from_pb
from tests.cdrs import make_cdr, stamp
from tests.support import Spine

T = TypeVar("T")
CPO, EMSP, OTHER_CPO, OTHER_EMSP = (
    PartyId("NL", "CPO"),
    PartyId("DE", "MSP"),
    PartyId("BE", "CPO"),
    PartyId("FR", "MSP"),
)
OPERATOR = Caller(platform="root", operator=True)
#: Only what is asked for here leads to a return: another currency.
CHECKS = {
    str(check): CheckAction.ACCEPT
    for check in Check
    if not check.startswith("CREDIT") and check is not Check.CURRENCY_MISMATCH
}


def caller(*parties: PartyId) -> Caller:
    roles = frozenset({Role.CPO, Role.EMSP})
    return Caller(platform="some", parties=dict.fromkeys(parties, roles))


class World:
    """Two CPOs and two eMSPs that agree each with each, driven by hand."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine

    async def do(self, use_case: UseCase[T]) -> T:
        return await self.spine.committer.run(use_case)

    async def settle_in(self, **terms: object) -> None:
        for party in (CPO, OTHER_CPO, EMSP, OTHER_EMSP):
            await self.join(party)
        for cpo in (CPO, OTHER_CPO):
            for emsp in (EMSP, OTHER_EMSP):
                await self.agree(cpo, emsp, **terms)

    async def join(self, party: PartyId) -> None:
        made = Party(
            id=party,
            number=0,
            roles=frozenset({Role.CPO, Role.EMSP}),
            platform=str(party),
            state=PartyState.ACTIVE,
        )
        await self.do(lambda uow: uow.parties.save(made))

    async def agree(self, cpo: PartyId, emsp: PartyId, **terms: object) -> Agreement:
        agreement = Agreement(
            id=f"{cpo}-{emsp}".lower(),
            version=1,
            cpo=cpo,
            emsp=emsp,
            state=AgreementState.ACTIVE,
            terms=Terms(**{"currency": "EUR", "checks": CHECKS, **terms}),  # type: ignore[arg-type]
            proposer=cpo,
            since=Terms(currency="EUR").start,
        )
        await self.do(lambda uow: uow.agreements.save(agreement))
        return agreement

    @property
    def now(self) -> datetime:
        return self.spine.clock()

    async def session(
        self,
        name: str,
        *,
        cpo: PartyId = CPO,
        emsp: PartyId = EMSP,
        status: session_object_pb2.SessionStatus.ValueType = session_object_pb2.SESSION_STATUS_COMPLETED,
        reference: str = "",
    ) -> None:
        """Report a session that ends now."""
        made = session_object_pb2.Session(
            country_code=cpo.country_code,
            party_id=cpo.party_id,
            id=name,
            start_date_time=stamp(self.now - timedelta(hours=1)),
            end_date_time=stamp(self.now),
            kwh=PbDecimal(value="10"),
            cdr_token=_token(emsp),
            auth_method=session_object_pb2.AUTH_METHOD_WHITELIST,
            location_id="L1",
            evse_uid="E1",
            connector_id="1",
            currency="EUR",
            status=status,
            last_updated=stamp(self.now),
        )
        if reference:
            made.authorization_reference = reference
        answer = await self.spine.committer.run_batched(put_sessions, session_from_pb(made))
        assert answer is True

    async def cdr(
        self,
        name: str,
        session: str = "",
        *,
        cpo: PartyId = CPO,
        emsp: PartyId = EMSP,
        returned: bool = False,
        reference: str = "",
        credit_of: str = "",
        ended: datetime | None = None,
    ) -> CdrAnswer:
        """Submit the CDR of a session that ended now, or then."""
        end = ended or self.now
        made = make_cdr(
            name,
            country_code=cpo.country_code,
            party_id=cpo.party_id,
            start_date_time=stamp(end - timedelta(hours=1)),
            end_date_time=stamp(end),
            cdr_token=_token(emsp),
            currency="USD" if returned else "EUR",
        )
        if session:
            made.session_id = session
        if reference:
            made.authorization_reference = reference
        if credit_of:
            made.credit, made.credit_reference_id = True, credit_of
            made.total_cost.CopyFrom(common_pb2.Price(before_taxes=PbDecimal(value="-7.0000")))
        request = cdr_pb2.SubmitCdrRequest(request_id=str(uuid4()), cdr=made)
        submitted = submission_from_pb(request, str(cpo))
        answer: CdrAnswer = await self.spine.committer.run_batched(submit_cdrs, submitted)
        assert (answer.state is CdrState.RETURNED) == returned, answer.findings
        return answer

    async def authorize(
        self,
        reference: str = "",
        *,
        cpo: PartyId = CPO,
        emsp: PartyId = EMSP,
        allowed: Allowed = Allowed.ALLOWED,
        source: Source = Source.STORE,
    ) -> str:
        made = Authorization(
            reference=reference or await self.do(lambda uow: uow.new_id()),
            cpo=cpo,
            emsp=emsp,
            token_uid="TOK1",
            token_type="RFID",
            contract_id="",
            allowed=allowed,
            source=source,
            reason="" if allowed is Allowed.ALLOWED else "PARTNER_REFUSED",
            agreement="",
            clause="",
            place=None,
            token_document=b"",
            info_document=b"",
            emsp_reference="",
            recorded_time=self.now,
        )
        await self.do(lambda uow: uow.authorizations.add(made))
        return made.reference

    async def gaps(self, who: Caller = OPERATOR, size: int = 1000, **wanted: object) -> list[Gap]:
        """Return all gaps, page by page."""
        found: list[Gap] = []
        after: Place | None = None
        while True:
            page = await self.page(who, size, after, **wanted)
            found += [each.gap for each in page]
            if len(page) < size:
                return found
            after = page[-1].place

    async def page(self, who: Caller, size: int, after: Place | None, **wanted: object) -> Sequence[FoundGap]:
        filter_ = GapFilter(**wanted)  # type: ignore[arg-type]
        return await self.spine.reads.run(lambda uow: list_gaps(uow, who, filter_, after, size))

    async def count(self, who: Caller = OPERATOR, **wanted: object) -> dict[GapKind, GapCount]:
        filter_ = GapFilter(**wanted)  # type: ignore[arg-type]
        counts = await self.spine.reads.run(lambda uow: count_gaps(uow, who, filter_))
        return {count.kind: count for count in counts}


def _token(emsp: PartyId) -> session_object_pb2.CdrToken:
    return session_object_pb2.CdrToken(
        country_code=emsp.country_code, party_id=emsp.party_id, uid="TOK1", type="RFID", contract_id="C1"
    )


def subjects(gaps: Sequence[Gap]) -> list[str]:
    return [gap.authorization_reference or gap.session_id or gap.cdr_id for gap in gaps]
