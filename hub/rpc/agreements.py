"""AgreementService: where two parties agree to roam."""

from collections.abc import Callable, Collection
from functools import partial

from roamhub.v1 import agreement_pb2 as pb
from roamhub.v1.common_pb2 import PartyKey

from hub.app import agreements as use_cases
from hub.app.agreements import Change, Encode
from hub.app.directory import Directory
from hub.app.ports.clearing import ClearingSettings
from hub.app.ports.spine import Committer, Reads
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, Service, Terms
from hub.domain.clock import Clock
from hub.domain.ids import PartyId
from hub.rpc.agreement_messages import (
    SERVICES,
    STATES,
    agreement_id,
    agreement_to_pb,
    encode_agreement,
    note_from_pb,
    terms_from_pb,
    version_from_pb,
)
from hub.rpc.calls import Call
from hub.rpc.paging import read_page
from hub.rpc.policy import denied
from hub.rpc.wire import Reader

#: A use case that changes an agreement and needs no terms.
_ChangeIt = Callable[[UnitOfWork, Change, Encode], Agreement]


class AgreementServicer:
    """Answers `roamhub.v1.AgreementService`."""

    def __init__(
        self,
        *,
        committer: Committer,
        reads: Reads,
        directory: Callable[[], Directory],
        clock: Clock,
        settings: ClearingSettings,
    ) -> None:
        self._committer = committer
        self._reads = reads
        self._directory = directory
        self._clock = clock
        self._settings = settings

    def _terms(self, given: pb.AgreementTerms) -> Terms:
        terms = terms_from_pb(given, self._clock())
        use_cases.require_known(terms, self._settings)
        return terms

    async def ProposeAgreement(self, request: pb.ProposeAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """Propose an agreement."""
        read = Reader()
        pair = _party(read, "cpo", request.cpo), _party(read, "emsp", request.emsp)
        party = _party(read, "party", request.party)
        read.done()
        terms = self._terms(request.terms)
        made = await self._committer.run(lambda uow: use_cases.propose(uow, pair, party, terms, encode_agreement))
        return agreement_to_pb(made)

    async def AmendAgreement(self, request: pb.AmendAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """Propose other terms as the next version."""
        change = _change(request)
        terms = self._terms(request.terms)
        made = await self._committer.run(lambda uow: use_cases.amend(uow, change, terms, encode_agreement))
        return agreement_to_pb(made)

    async def AcceptAgreement(self, request: pb.AcceptAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """Accept a proposed version."""
        version = version_from_pb(request.version, required=True)
        accept = partial(use_cases.accept, settings=self._settings)
        return await self._run(accept, _change(request, version=version))

    async def DeclineAgreement(self, request: pb.DeclineAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """Decline a proposed version, or withdraw one's own."""
        version = version_from_pb(request.version, required=True)
        return await self._run(use_cases.decline, _change(request, version=version, note=request.note))

    async def SuspendAgreement(self, request: pb.SuspendAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """Hold an agreement back."""
        return await self._run(use_cases.suspend, _change(request, note=request.note))

    async def ResumeAgreement(self, request: pb.ResumeAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """Take back one's own suspension."""
        return await self._run(use_cases.resume, _change(request))

    async def TerminateAgreement(self, request: pb.TerminateAgreementRequest, call: Call) -> pb.Agreement:  # noqa: ARG002
        """End an agreement for good."""
        return await self._run(use_cases.terminate, _change(request, note=request.note))

    async def GetAgreement(self, request: pb.GetAgreementRequest, call: Call) -> pb.Agreement:
        """Return one version of an agreement."""
        wanted, version = agreement_id(request.name), version_from_pb(request.version, required=False)
        found = await self._reads.run(lambda uow: use_cases.get(uow, self._seen_by(call), wanted, version))
        return agreement_to_pb(found)

    async def ListAgreements(self, request: pb.ListAgreementsRequest, call: Call) -> pb.ListAgreementsResponse:
        """List the agreements of the caller's parties."""
        page = read_page(request)
        read = Reader()
        state = read.one_of("state", request.state, STATES, next(iter(STATES.values()))) if request.state else None
        read.done()
        (after,) = page.key(str) or ("",)
        found = await self._reads.run(
            lambda uow: uow.agreements.page(self._seen_by(call), state=state, after_id=after, limit=page.size + 1)
        )
        shown = found[: page.size]
        return pb.ListAgreementsResponse(
            agreements=[agreement_to_pb(agreement) for agreement in shown],
            next_page_token=page.next_token(shown[-1].id) if len(found) > len(shown) else "",
        )

    async def ListAgreementVersions(
        self, request: pb.ListAgreementVersionsRequest, call: Call
    ) -> pb.ListAgreementVersionsResponse:
        """List the versions of one agreement, the newest first."""
        wanted, page = agreement_id(request.name), read_page(request)
        versions = await self._reads.run(lambda uow: use_cases.versions_of(uow, self._seen_by(call), wanted))
        if last := page.key(int):
            versions = [version for version in versions if version.version < last[0]]
        shown = versions[: page.size]
        return pb.ListAgreementVersionsResponse(
            agreements=[agreement_to_pb(agreement) for agreement in shown],
            next_page_token=page.next_token(shown[-1].version) if len(versions) > len(shown) else "",
        )

    async def ExplainAgreement(self, request: pb.ExplainAgreementRequest, call: Call) -> pb.ExplainAgreementResponse:
        """Say whether two parties roam now, and by which clause not."""
        read = Reader()
        pair = _party(read, "cpo", request.cpo), _party(read, "emsp", request.emsp)
        if not call.caller.operator and not any(party in call.caller.parties for party in pair):
            raise denied()
        service = Service.ROAMING
        if request.service:
            service = read.one_of("service", request.service, SERVICES, service)
        read.done()
        agreement, refusal = await self._reads.run(lambda uow: use_cases.explain(uow.directory, pair, service, uow.now))
        return pb.ExplainAgreementResponse(
            allowed=refusal is None,
            reason="" if refusal is None else refusal.reason,
            clause="" if refusal is None else refusal.clause,
            message="" if refusal is None else refusal.message,
            agreement=None if agreement is None else agreement_to_pb(agreement),
        )

    def _seen_by(self, call: Call) -> Collection[PartyId]:
        """Return the parties whose agreements the caller may see: its own, all of them for the operator."""
        return self._directory().parties if call.caller.operator else call.caller.parties

    async def _run(self, use_case: _ChangeIt, change: Change) -> pb.Agreement:
        changed = await self._committer.run(partial(_apply, use_case, change))
        return agreement_to_pb(changed)


#: The requests that change an agreement; all have name, party and etag.
_Changes = (
    pb.AcceptAgreementRequest
    | pb.DeclineAgreementRequest
    | pb.AmendAgreementRequest
    | pb.SuspendAgreementRequest
    | pb.ResumeAgreementRequest
    | pb.TerminateAgreementRequest
)


def _apply(use_case: _ChangeIt, change: Change, uow: UnitOfWork) -> Agreement:
    return use_case(uow, change, encode_agreement)


def _party(read: Reader, field: str, key: PartyKey) -> PartyId:
    return read.party(field, key.country_code, key.party_id)


def _change(request: _Changes, *, version: int = 0, note: str = "") -> Change:
    read = Reader()
    party = _party(read, "party", request.party)
    read.done()
    return Change(
        party=party,
        agreement_id=agreement_id(request.name),
        version=version,
        etag=request.etag,
        note=note_from_pb(note),
    )
