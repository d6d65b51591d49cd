"""Submitting CDRs: decided and recorded for many at once.

Each submission ends in one of three ways. It is on record already: the first answer again. It is refused: an error,
and no trace. Or it is recorded, accepted or returned, in the clearing journal.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

from hub.app.cdrs.knowledge import Knowledge
from hub.app.ports.cdrs import StoredCdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Agreement, Service
from hub.domain.cdrs.checks import examine
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrState, Severity
from hub.domain.clearing.items import ClearingItem
from hub.domain.errors import Conflict, HubError, Precondition, invalid
from hub.domain.ids import ObjectId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.leaf import SALT_BYTES, seal_and_open

_E4 = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrSubmission:
    """One CDR with the caller's platform and idempotency key; `skew_max` is how far its times may lie ahead."""

    platform: str
    request_id: str
    cdr: Cdr
    skew_max: timedelta = timedelta(minutes=5)


def submit_cdrs(uow: UnitOfWork, submissions: Sequence[CdrSubmission]) -> list[CdrAnswer | HubError]:
    """Take in CDRs.

    Returns:
        For each the answer, or the error that refuses it: Conflict for other content under a known key or request id,
        Precondition without an active agreement, Invalid for a time in the future.
    """
    return _Intake(uow, submissions).run()


class _Intake:
    """One group of submissions: what was looked up for all of them, and what the earlier ones did."""

    def __init__(self, uow: UnitOfWork, submissions: Sequence[CdrSubmission]) -> None:
        self._uow = uow
        self._submissions = submissions
        cdrs = [submission.cdr for submission in submissions]
        self._knowledge = Knowledge.gather(uow, cdrs)
        self._stored = self._knowledge.stored
        self._requests = _known_requests(uow, submissions)

    def run(self) -> list[CdrAnswer | HubError]:
        answers: list[CdrAnswer | HubError] = []
        for submission in self._submissions:
            try:
                answers.append(self._one(submission))
            except HubError as refusal:
                answers.append(refusal)
        return answers

    def _one(self, submission: CdrSubmission) -> CdrAnswer:
        cdr = submission.cdr
        request = submission.platform, submission.request_id
        asked = self._requests.get(request)
        if asked is not None and asked != cdr.digest:
            raise Conflict("REQUEST_ID_REUSED", "request_id: was used for another CDR", field="request_id")
        stored = self._stored.get(cdr.id)
        if stored is not None:
            if stored.digest != cdr.digest:
                raise Conflict("CDR_CONFLICT", "cdr.id: is on record with other content", field="cdr.id")
            self._remember(submission)
            return stored.answer
        if cdr.end_time > self._uow.now + submission.skew_max:
            raise invalid("cdr.end_date_time", "lies in the future")
        stored = self._record(cdr, self._agreement(cdr))
        self._stored[cdr.id] = stored
        self._remember(submission)
        return stored.answer

    def _remember(self, submission: CdrSubmission) -> None:
        """Keep what the request id stands for, unless that is known."""
        request = submission.platform, submission.request_id
        if request not in self._requests:
            self._requests[request] = submission.cdr.digest
            self._uow.idempotency.remember(*request, submission.cdr.digest, b"")

    def _agreement(self, cdr: Cdr) -> Agreement:
        agreement = self._uow.directory.agreement_covering(cdr.id.party, cdr.emsp, cdr.start_time)
        if agreement is None or Service.ROAMING not in agreement.terms.services:
            raise Precondition(
                "NO_ACTIVE_AGREEMENT",
                "there is no active agreement for roaming between these parties",
                cpo=str(cdr.id.party),
                emsp=str(cdr.emsp),
            )
        return agreement

    def _record(self, cdr: Cdr, agreement: Agreement) -> StoredCdr:
        findings = examine(cdr, self._knowledge.about(cdr, agreement), agreement.terms.checks)
        returned = any(finding.severity is Severity.ERROR for finding in findings)
        item = self._item(cdr, agreement, returned=returned)
        fact = self._fact(cdr, item, EntryKind.CDR_RETURNED if returned else EntryKind.CDR_ACCEPTED)
        answer = CdrAnswer(
            state=CdrState.RETURNED if returned else CdrState.ACCEPTED,
            receipt=self._uow.journal.append(Stream.CLEARING, fact),
            recorded_time=self._uow.now,
            findings=findings,
        )
        stored = StoredCdr(
            digest=cdr.digest,
            answer=answer,
            emsp=cdr.emsp,
            currency=item.currency,
            amount=item.amount,
            energy=item.energy,
            country=item.country,
            tariff_kind=item.tariff_kind,
            tax_date=item.tax_date,
            agreement=item.agreement,
            credit=cdr.credit,
        )
        self._uow.cdrs.add(cdr, stored)
        if cdr.credit and not returned:
            self._knowledge.credited.add(ObjectId(cdr.id.party, cdr.credit_of))
        return stored

    def _item(self, cdr: Cdr, agreement: Agreement, *, returned: bool) -> ClearingItem:
        if cdr.credit and not returned:
            # OCPI negates the total cost alone; settlement negates every component of what was accepted.
            original = self._stored[ObjectId(cdr.id.party, cdr.credit_of)]
            return _stored_item(ObjectId(cdr.id.party, cdr.credit_of), original).credited(cdr=str(cdr.id))
        return ClearingItem(
            agreement=agreement.name,
            cdr=str(cdr.id),
            creditor=cdr.id.party,
            debtor=cdr.emsp,
            currency=cdr.currency,
            country=cdr.country,
            tariff_kind=cdr.tariff_kind,
            tax_date=cdr.end_time.astimezone(ZoneInfo(agreement.terms.time_zone)).date(),
            amount=int(cdr.total_cost * _E4),
            energy=int(cdr.total_energy * _E4),
        )

    def _fact(self, cdr: Cdr, item: ClearingItem, kind: EntryKind) -> Fact:
        fields = {
            "settlement": item.to_bytes(),
            "document": cdr.digest,
            "token": f"{cdr.token_type}/{cdr.token_uid}".encode(),
            "contract": cdr.contract_id.encode(),
        }
        owner, counterparty = cdr.id.party, cdr.emsp
        leaf, openings = seal_and_open(
            kind=kind,
            recorded_time=self._uow.now,
            owner=str(owner),
            counterparty=str(counterparty),
            fields=fields,
            leaf_salt=self._uow.entropy(SALT_BYTES),
        )
        return Fact(
            kind=kind, owner=owner, counterparty=counterparty, subject=str(cdr.id), body=leaf, openings=openings
        )


def _stored_item(cdr: ObjectId, stored: StoredCdr) -> ClearingItem:
    return ClearingItem(
        agreement=stored.agreement,
        cdr=str(cdr),
        creditor=cdr.party,
        debtor=stored.emsp,
        currency=stored.currency,
        country=stored.country,
        tariff_kind=stored.tariff_kind,
        tax_date=stored.tax_date,
        amount=stored.amount,
        energy=stored.energy,
    )


def _known_requests(uow: UnitOfWork, submissions: Sequence[CdrSubmission]) -> dict[tuple[str, str], bytes]:
    by_platform: dict[str, list[str]] = {}
    for submission in submissions:
        by_platform.setdefault(submission.platform, []).append(submission.request_id)
    return {
        (platform, request_id): asked
        for platform, request_ids in by_platform.items()
        for request_id, (asked, _) in uow.idempotency.find(platform, request_ids).items()
    }
