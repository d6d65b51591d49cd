"""Submitting CDRs: decided and recorded for many at once.

Each submission ends in one of three ways. It is on record already: the first answer again, with the state of now. It is
refused: an error, and no trace. Or it is recorded in the clearing journal: accepted, quarantined or returned.
"""

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import NamedTuple

from hub.app.cdrs.dealings import Dealing
from hub.app.cdrs.knowledge import Knowledge
from hub.app.cdrs.tariffs import TariffReader
from hub.app.clearing.facts import state_fact
from hub.app.ports.cdrs import StoredCdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import Terms
from hub.domain.cdrs.checks import decide, examine, rated_cost
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrState, Step
from hub.domain.cdrs.standing import Cause, Standing, not_returned
from hub.domain.clearing.amounts import to_e4
from hub.domain.clearing.items import ClearingItem
from hub.domain.clock import not_after
from hub.domain.errors import Conflict, HubError, Precondition, invalid
from hub.domain.ids import ObjectId, fold
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.leaf import SALT_BYTES
from hub.domain.meter.cdr import SignedData

_KINDS = {
    CdrState.ACCEPTED: EntryKind.CDR_ACCEPTED,
    CdrState.QUARANTINED: EntryKind.CDR_QUARANTINED,
    CdrState.RETURNED: EntryKind.CDR_RETURNED,
}
#: How far times may lie ahead where nothing else is set.
SKEW_MAX = timedelta(minutes=5)


class CdrSubmission(NamedTuple):
    """One CDR with the caller's platform and idempotency key.

    Attributes:
        platform: The caller's.
        request_id: Its idempotency key.
        cdr: The CDR.
        skew_max: How far its times may lie ahead.
        replaces: The CPO's id of the returned CDR whose place it takes; empty for none.
        signed: Its signed meter values, until they are verified and `cdr.meter` says what they prove.
    """

    platform: str
    request_id: str
    cdr: Cdr
    skew_max: timedelta = SKEW_MAX
    replaces: str = ""
    signed: SignedData | None = None

    @property
    def asked(self) -> bytes:
        """What its request id stands for."""
        if not self.replaces:
            return self.cdr.digest
        return sha256(self.cdr.digest + fold(self.replaces).encode()).digest()

    @property
    def replaced(self) -> ObjectId:
        """The key of the CDR whose place it takes, if it names any."""
        return ObjectId(self.cdr.id.party, self.replaces)


def submit_cdrs(
    uow: UnitOfWork, submissions: Sequence[CdrSubmission], *, reader: TariffReader
) -> list[CdrAnswer | HubError]:
    """Take in CDRs; `reader` reads the tariffs they are priced by.

    Returns:
        For each the answer, or the error that refuses it: Conflict for other content under a known key or request id,
        Precondition without an active agreement, Invalid for a time in the future; of a replacement, Precondition
        where the CDR it names cannot be replaced (`_Intake._replaced`).
    """
    return _Intake(uow, submissions, reader).run()


class _Intake:
    """One group of submissions: what was looked up for all of them, and what the earlier ones did."""

    def __init__(self, uow: UnitOfWork, submissions: Sequence[CdrSubmission], reader: TariffReader) -> None:
        self._uow = uow
        self._submissions = submissions
        cdrs = [submission.cdr for submission in submissions]
        self._knowledge = Knowledge.gather(uow, cdrs, reader)
        self._stored = self._knowledge.stored
        self._requests = _known_requests(uow, submissions)
        replaced = [submission.replaced for submission in submissions if submission.replaces]
        # Only what is not on record when the group begins is added to these as it goes on.
        self._stored.update(uow.cdrs.find(replaced) if replaced else {})
        self._standings = dict(uow.cdr_standings.find(replaced)) if replaced else {}

    def run(self) -> list[CdrAnswer | HubError]:
        answers: list[CdrAnswer | HubError] = []
        for submission in self._submissions:
            try:
                answers.append(self._one(submission))
            except HubError as refusal:
                answers.append(refusal)
        self._knowledge.neighbours.record()
        return answers

    def _one(self, submission: CdrSubmission) -> CdrAnswer:
        request, asked = (submission.platform, submission.request_id), submission.asked
        known = self._requests.get(request)
        if known is not None and known != asked:
            raise Conflict("REQUEST_ID_REUSED", "request_id: was used for another CDR", field="request_id")
        answer = self._answer(submission)
        if known is None:
            self._requests[request] = asked
            self._uow.idempotency.remember(*request, asked, b"")
        return answer

    def _answer(self, submission: CdrSubmission) -> CdrAnswer:
        cdr = submission.cdr
        stored = self._stored.get(cdr.id)
        if stored is not None:
            if stored.digest != cdr.digest:
                raise Conflict("CDR_CONFLICT", "cdr.id: is on record with other content", field="cdr.id")
            if submission.replaces:
                self._require_replaced(submission)
            return stored.answer
        latest = self._uow.now + submission.skew_max
        if cdr.end_time > latest:
            raise invalid("cdr.end_date_time", not_after(latest))
        replaced = self._replaced(submission) if submission.replaces else None
        stored = self._record(cdr, self._dealing(cdr), replaced)
        self._stored[cdr.id] = stored
        if replaced is not None:
            self._replace(replaced, cdr.id)
        return stored.answer

    def _replaced(self, submission: CdrSubmission) -> Standing:
        """Return where the CDR stands that the submission is to replace.

        Raises:
            Precondition: It cannot be replaced, or is not there, or was for another eMSP.
        """
        key = submission.replaced
        stored = self._stored.get(key)
        if stored is None:
            raise Precondition("REPLACED_CDR_UNKNOWN", "replaces: is no CDR of this CPO on record", field="replaces")
        standing = self._standings.get(key)
        if standing is None:
            raise not_returned(stored.answer.state)
        standing.require_replaceable(self._uow.now)
        if standing.emsp != submission.cdr.emsp:
            # Its eMSP is told what took its place; of another eMSP's CDR it must not hear.
            raise Precondition("REPLACED_CDR_MISMATCH", "replaces: was for another eMSP; withdraw it", field="replaces")
        return standing

    def _require_replaced(self, submission: CdrSubmission) -> None:
        """Raise Conflict unless the CDR on record is what took the place of the one that the submission names."""
        standing = self._standings.get(submission.replaced)
        if standing is None or fold(standing.replaced_by) != submission.cdr.id.folded:
            raise Conflict(
                "CDR_CONFLICT", "replaces: the CDR is on record and did not replace that one", field="replaces"
            )

    def _replace(self, standing: Standing, by: ObjectId) -> None:
        stored = self._stored[standing.id]
        receipt = state_fact(
            self._uow,
            EntryKind.CDR_RESUBMITTED,
            creditor=standing.id.party,
            debtor=standing.emsp,
            subject=str(standing.id),
            fields={"document": stored.digest, "follows": b"%d" % standing.index, "replaced_by": str(by).encode()},
        )
        self._keep(standing.resubmitted(receipt, self._uow.now, by))
        self._stored[standing.id] = stored._replace(
            answer=stored.answer._replace(state=CdrState.RESUBMITTED, deadline=None)
        )

    def _keep(self, standing: Standing) -> None:
        self._standings[standing.id] = standing
        self._uow.cdr_standings.save(standing)

    def _dealing(self, cdr: Cdr) -> Dealing:
        dealing = self._knowledge.dealing(cdr)
        if dealing is None:
            raise Precondition(
                "NO_ACTIVE_AGREEMENT",
                "there is no active agreement for roaming between these parties",
                cpo=str(cdr.id.party),
                emsp=str(cdr.emsp),
            )
        return dealing

    def _record(self, cdr: Cdr, dealing: Dealing, replaced: Standing | None) -> StoredCdr:
        terms = dealing.terms
        known = self._knowledge.about(cdr, dealing)
        if replaced is not None and known.age_max is not None:
            # Who puts a CDR right in time is not late: its age is that of the first attempt.
            known = known._replace(age_max=known.age_max + (self._uow.now - replaced.first_time))
        findings = examine(cdr, known, terms.checks)
        state = decide(findings, terms.checks, credit=cdr.credit) if findings else CdrState.ACCEPTED
        accepted = state is CdrState.ACCEPTED
        item = self._item(cdr, dealing, accepted=accepted)
        fact = self._fact(cdr, dealing, item, _KINDS[state])
        answer = CdrAnswer(
            state=state,
            receipt=self._uow.journal.append(Stream.CLEARING, fact),
            recorded_time=self._uow.now,
            findings=findings,
            rated=rated_cost(cdr, known),
        )
        if not accepted:
            standing = self._held(cdr, answer, terms, replaced)
            answer = answer._replace(deadline=standing.deadline)
            self._keep(standing)
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
        self._knowledge.learn(cdr, answer.receipt.index, accepted=accepted)
        return stored

    def _held(self, cdr: Cdr, answer: CdrAnswer, terms: Terms, replaced: Standing | None) -> Standing:
        window = terms.review_window if answer.state is CdrState.QUARANTINED else terms.return_window
        receipt, now = answer.receipt, self._uow.now
        return Standing(
            id=cdr.id,
            emsp=cdr.emsp,
            steps=(Step(answer.state, receipt.index, now, Cause.CHECKS),),
            leaf_hash=receipt.leaf_hash,
            deadline=now + window,
            return_window=terms.return_window,
            first_time=now if replaced is None else replaced.first_time,
        )

    def _item(self, cdr: Cdr, dealing: Dealing, *, accepted: bool) -> ClearingItem:
        if cdr.credit and accepted:
            # OCPI negates the total cost alone; settlement negates every component of what was accepted.
            original = self._stored[ObjectId(cdr.id.party, cdr.credit_of)]
            return stored_item(ObjectId(cdr.id.party, cdr.credit_of), original).credited(cdr=str(cdr.id))
        return ClearingItem(
            agreement=dealing.name,
            cdr=str(cdr.id),
            creditor=cdr.id.party,
            debtor=cdr.emsp,
            currency=cdr.currency,
            country=cdr.country,
            tariff_kind=cdr.tariff_kind,
            tax_date=cdr.end_time.astimezone(dealing.zone).date(),
            amount=to_e4(cdr.total_cost),
            energy=to_e4(cdr.total_energy),
        )

    def _fact(self, cdr: Cdr, dealing: Dealing, item: ClearingItem, kind: EntryKind) -> Fact:
        fields = {
            "settlement": item.to_bytes(),
            "document": cdr.digest,
            "token": f"{cdr.token_type}/{cdr.token_uid}".encode(),
            "contract": cdr.contract_id.encode(),
        }
        leaf, openings = dealing.sealer(kind).seal_and_open(fields, self._uow.entropy(SALT_BYTES))
        return Fact(
            kind=kind, owner=cdr.id.party, counterparty=cdr.emsp, subject=item.cdr, body=leaf, openings=openings
        )


def stored_item(cdr: ObjectId, stored: StoredCdr) -> ClearingItem:
    """Return what a CDR on record contributes to a statement once it is accepted."""
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
