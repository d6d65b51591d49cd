"""May this token charge here: decided in the committer's group, asked of the eMSP where it must be, recorded always.

An answer from the store is one hot use case: tokens by one select, agreements from the directory, one buffered insert.
A relayed one is two, with the partner's time between them; what changed meanwhile (a suspended agreement) counts when
the answer is recorded. An error leaves nothing behind.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hub.app.directory import Directory
from hub.app.ports.partners import Partners, TokenQuestion
from hub.app.ports.spine import Committer
from hub.app.ports.uow import UnitOfWork
from hub.domain.agreements import AgreementState, Service
from hub.domain.authorizations import (
    NO_AGREEMENT,
    PARTNER_REFUSED,
    UNKNOWN_TOKEN,
    Allowed,
    Ask,
    Authorization,
    EmspAnswer,
    Permission,
    Question,
    Source,
    Verdict,
    decide,
)
from hub.domain.errors import Conflict, HubError, TimedOut, Unreachable
from hub.domain.ids import PartyId, fold, fold_uid
from hub.domain.tokens import Token, pick_token

#: Of the caller's remaining time this much, but at most so many seconds, is kept for recording the answer.
_SHARE_KEPT = 0.2
_SECONDS_KEPT_MAX = 0.25

_IN_SIGHT = (AgreementState.ACTIVE, AgreementState.ACCEPTED, AgreementState.SUSPENDED)
_NOTHING_SAID = Permission()
_REFUSED = Verdict(Allowed.NOT_ALLOWED, Source.PARTNER, UNKNOWN_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question as it came in; `request_id` is empty when the CPO gave none, else `request_hash` is of its content."""

    platform: str
    question: Question
    request_id: str = ""
    request_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class _Case:
    """A question with what the hub knows that bears on it."""

    asked: Asked
    emsp: PartyId | None
    token: Token | None
    permission: Permission


@dataclass(frozen=True, slots=True)
class Undecided:
    """A question that the eMSP must answer; `otherwise` stands when it does not."""

    case: _Case
    reference: str
    otherwise: Verdict | None


@dataclass(frozen=True, slots=True)
class _Learned:
    """What came of asking."""

    open: Undecided
    verdict: Verdict
    answer: EmspAnswer | None = None


#: Tells how many seconds the caller still waits; None for no limit.
SecondsLeft = Callable[[], float | None]


def _no_deadline() -> None:
    return None


class Authorizer:
    """Answers CPOs.

    Args:
        wait_seconds: How long an eMSP may take at most.
    """

    def __init__(
        self,
        *,
        committer: Committer,
        partners: Partners,
        wait_seconds: float,
    ) -> None:
        self._committer = committer
        self._partners = partners
        self._wait = wait_seconds

    async def authorize(
        self, asked: Asked, *, seconds_left: SecondsLeft = _no_deadline, correlation_id: str = ""
    ) -> Authorization:
        """Answer one question; the answer is on disk when this returns.

        Args:
            asked: The question.
            seconds_left: Tells the time until the caller's deadline; None when it set none.
            correlation_id: Joins the messages of one exchange.

        Raises:
            Unreachable: The eMSP must be asked and cannot be, or gave no usable answer.
            TimedOut: It gave no answer in time.
            Conflict: REQUEST_ID_REUSED.
            Invalid: The eMSP needs a location to decide.
        """
        decided: Authorization | Undecided = await self._committer.run_batched(_decide, asked)
        if isinstance(decided, Authorization):
            return decided
        return await self.relay(decided, seconds_left=seconds_left, correlation_id=correlation_id)

    async def decide(self, asked: Sequence[Asked]) -> Sequence[Authorization | Undecided | HubError]:
        """Answer what the hub can answer itself; each question for itself, all on disk when this returns.

        The rest is for `relay`.
        """
        return await self._committer.run_many(_decide, asked)

    async def relay(
        self, undecided: Undecided, *, seconds_left: SecondsLeft = _no_deadline, correlation_id: str = ""
    ) -> Authorization:
        """Ask the eMSP and record its answer; as `authorize`."""
        learned = await self._ask(undecided, seconds_left(), correlation_id)
        return await self._committer.run_batched(_record, learned)

    async def _ask(self, open_: Undecided, left: float | None, correlation_id: str) -> _Learned:
        case = open_.case
        question = case.asked.question
        assert case.emsp is not None, "only a known eMSP is asked"
        wait = self._wait
        if left is not None:
            wait = min(wait, left - min(left * _SHARE_KEPT, _SECONDS_KEPT_MAX))
        relayed = TokenQuestion(
            emsp=case.emsp,
            cpo=question.cpo,
            token_uid=question.token_uid,
            token_type=question.token_type,
            place=question.place,
            reference=open_.reference,
            correlation_id=correlation_id,
        )
        try:
            answer = await self._partners.authorize(relayed, wait)
        except (Unreachable, TimedOut):
            if open_.otherwise is None:
                raise
            return _Learned(open_, open_.otherwise)
        if answer is None:
            return _Learned(open_, _REFUSED)
        reason = "" if answer.allowed is Allowed.ALLOWED else PARTNER_REFUSED
        return _Learned(open_, Verdict(answer.allowed, Source.PARTNER, reason), answer)


def _decide(uow: UnitOfWork, asked: Sequence[Asked]) -> Sequence[Authorization | Undecided | HubError]:
    """Answer and record what can be answered from what the hub holds; return the rest open."""
    tokens = uow.tokens.find_by_uid({fold_uid(each.question.token_uid) for each in asked})
    earlier = _Earlier(uow, asked, tokens)
    permissions: dict[tuple[PartyId, PartyId], Permission] = {}
    return [
        earlier.answer(each) or earlier.keep(each, _answer(uow, _case(uow, each, tokens, permissions)))
        for each in asked
    ]


def _answer(uow: UnitOfWork, case: _Case) -> Authorization | Undecided:
    reference = uow.new_id()
    decided = decide(case.token, case.permission, emsp_named=case.emsp is not None)
    if isinstance(decided, Ask):
        return Undecided(case, reference, decided.otherwise)
    return _write(uow, case, reference, decided, None)


def _record(uow: UnitOfWork, learned: Sequence[_Learned]) -> Sequence[Authorization | HubError]:
    """Record what was learned from eMSPs."""
    tokens = {token.key.uid: [token] for each in learned if (token := each.open.case.token) is not None}
    earlier = _Earlier(uow, [each.open.case.asked for each in learned], tokens)
    answers: list[Authorization | HubError] = []
    for each in learned:
        asked = each.open.case.asked
        known = earlier.answer(asked)
        if known is not None:
            assert not isinstance(known, Undecided), "what is recorded is answered"
            answers.append(known)
            continue
        case, verdict, answer = _as_of_now(uow, each)
        written = _write(uow, case, each.open.reference, verdict, answer)
        earlier.keep(asked, written)
        answers.append(written)
    return answers


def _as_of_now(uow: UnitOfWork, learned: _Learned) -> tuple[_Case, Verdict, EmspAnswer | None]:
    """Return what was learned, or a refusal when the agreement has ceased to allow it meanwhile."""
    case = learned.open.case
    assert case.emsp is not None, "only a known eMSP was asked"
    permission = _permission(uow, case.asked.question.cpo, case.emsp)
    if not permission.refusal:
        return case, learned.verdict, learned.answer
    refused = Verdict(Allowed.NOT_ALLOWED, Source.AGREEMENT, permission.refusal)
    return _Case(case.asked, case.emsp, case.token, permission), refused, None


def _write(uow: UnitOfWork, case: _Case, reference: str, verdict: Verdict, answer: EmspAnswer | None) -> Authorization:
    question, token, permission = case.asked.question, case.token, case.permission
    allowed = verdict.allowed is Allowed.ALLOWED
    place = question.place if answer is None else answer.place
    authorization = Authorization(
        reference=reference,
        cpo=question.cpo,
        emsp=case.emsp,
        token_uid=question.token_uid,
        token_type=question.token_type,
        contract_id=_contract(token, answer),
        allowed=verdict.allowed,
        source=verdict.source,
        reason=verdict.reason,
        agreement=permission.agreement,
        clause=permission.clause,
        place=place if allowed else None,
        token_document=answer.token_document if answer and answer.token_document else token.document if token else b"",
        info_document=answer.info_document if answer else b"",
        emsp_reference=answer.reference if answer else "",
        recorded_time=uow.now,
    )
    uow.authorizations.add(authorization)
    asked = case.asked
    if asked.request_id:
        uow.idempotency.remember(asked.platform, asked.request_id, asked.request_hash, reference.encode())
    return authorization


def _contract(token: Token | None, answer: EmspAnswer | None) -> str:
    if answer is not None and answer.contract_id:
        return answer.contract_id
    return token.contract_id if token is not None else ""


def _same_type(tokens: Mapping[str, Sequence[Token]], question: Question) -> list[Token]:
    """Return the published tokens that the station may have read."""
    kind = question.token_type
    found = tokens.get(fold_uid(question.token_uid), ())
    return [token for token in found if token.key.type == kind or fold(token.key.type) == fold(kind)]


def _case(
    uow: UnitOfWork,
    asked: Asked,
    tokens: Mapping[str, Sequence[Token]],
    permissions: dict[tuple[PartyId, PartyId], Permission],
) -> _Case:
    """Return the question with the token it is about, as far as the CPO may know of it."""
    question = asked.question
    candidates = _same_type(tokens, question)

    def permission(emsp: PartyId) -> Permission:
        pair = question.cpo, emsp
        known = permissions.get(pair)
        if known is None:
            known = permissions[pair] = _permission(uow, *pair)
        return known

    if question.emsp is not None:
        leave = permission(question.emsp)
        if leave.refusal == NO_AGREEMENT:
            # Whether there is such a party, and such a token, is nothing this CPO learns.
            return _Case(asked, None, None, leave)
        own = next((token for token in candidates if token.key.emsp == question.emsp), None)
        return _Case(asked, question.emsp, own, leave)
    token = _whose(uow.directory, question.cpo, candidates, permission)
    if token is None:
        return _Case(asked, None, None, _NOTHING_SAID)
    return _Case(asked, token.key.emsp, token, permission(token.key.emsp))


def _whose(
    directory: Directory, cpo: PartyId, candidates: Sequence[Token], permission: Callable[[PartyId], Permission]
) -> Token | None:
    """Return the token that the station may have read, of those that the CPO may learn of."""
    visible = [token for token in candidates if _in_sight(directory, cpo, token.key.emsp)]
    if len(visible) < 2:
        return visible[0] if visible else None
    # A token whose agreement lets it charge goes before one whose agreement is suspended.
    roaming = [token.key.emsp for token in visible if not permission(token.key.emsp).refusal]
    return pick_token(visible, visible[0].key.type, roaming or [token.key.emsp for token in visible])


def _permission(uow: UnitOfWork, cpo: PartyId, emsp: PartyId) -> Permission:
    """Return what the agreement of the two says."""
    active = uow.directory.active_agreement(cpo, emsp, uow.now)
    if active is not None and Service.ROAMING in active.terms.services:
        return Permission(agreement=active.name, from_store=active.terms.allow_stored_authorization)
    refusal = uow.directory.why_not(cpo, emsp, Service.ROAMING, uow.now)
    assert refusal is not None, "what is in force and includes the service is not refused"
    name = refusal.agreement.name if refusal.agreement is not None else ""
    return Permission(agreement=name, refusal=refusal.reason, clause=refusal.clause)


def _in_sight(directory: Directory, cpo: PartyId, emsp: PartyId) -> bool:
    """Say whether the CPO may learn that a token is this eMSP's: their agreement stands, if only suspended."""
    standing = directory.standing.get((cpo, emsp))
    return standing is not None and standing.state in _IN_SIGHT


class _Earlier:
    """Answers that requests with a request id got before, in the store or earlier in the same group."""

    def __init__(self, uow: UnitOfWork, asked: Sequence[Asked], tokens: Mapping[str, Sequence[Token]]) -> None:
        self._uow = uow
        self._tokens = tokens
        self._stored: dict[tuple[str, str], tuple[bytes, bytes]] = {}
        self._fresh: dict[tuple[str, str], tuple[bytes, Authorization | Undecided]] = {}
        by_platform: dict[str, list[str]] = {}
        for each in asked:
            if each.request_id:
                by_platform.setdefault(each.platform, []).append(each.request_id)
        for platform, ids in by_platform.items():
            found = uow.idempotency.find(platform, ids)
            self._stored.update({(platform, request_id): kept for request_id, kept in found.items()})

    def answer(self, asked: Asked) -> Authorization | Undecided | HubError | None:
        """Return the first answer to this request id; None when this is the first time."""
        if not asked.request_id:
            return None
        key = asked.platform, asked.request_id
        stored, fresh = self._stored.get(key), self._fresh.get(key)
        if fresh is not None and isinstance(fresh[1], Undecided) and fresh[0] != asked.request_hash:
            fresh = None  # the id stands for nothing before an answer is recorded under it
        if stored is None and fresh is None:
            return None
        if asked.request_hash != (stored or fresh or (b"",))[0]:
            return Conflict("REQUEST_ID_REUSED", "request_id: was used for another question", field="request_id")
        return self._load(asked, stored[1].decode()) if stored else fresh[1] if fresh else None

    def _load(self, asked: Asked, reference: str) -> Authorization:
        found = self._uow.authorizations.find(reference, [asked.question.cpo])
        assert found is not None, "the answer was recorded in the transaction of its request id"
        published = _same_type(self._tokens, asked.question)
        documents = (token.document for token in published if token.key.emsp == found.emsp)
        return replace(found, token_document=next(documents, b""))

    def keep(self, asked: Asked, answer: Authorization | Undecided) -> Authorization | Undecided:
        """Note an answer given in this group."""
        if asked.request_id:
            self._fresh[asked.platform, asked.request_id] = asked.request_hash, answer
        return answer
