"""May this token charge here: who decides, and what an answer allows (OCPI 2.3.0, mod_tokens, real-time authorization).

The whitelist type alone says who decides. A token's `valid` flag does not override it: ALWAYS is always accepted, and
where the eMSP is to be asked it is asked, because the token may have become valid since (mod_tokens, WhitelistType).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum

from hub.domain.ids import PartyId, fold
from hub.domain.tokens import Token, Whitelist


class Allowed(IntEnum):
    """The answer (OCPI: AllowedType); the number is the stored and the published one."""

    ALLOWED = 1
    BLOCKED = 2
    EXPIRED = 3
    NO_CREDIT = 4
    NOT_ALLOWED = 5


class Source(IntEnum):
    """Where an answer came from; the number is the stored and the published one."""

    STORE = 1
    PARTNER = 2
    AGREEMENT = 3
    COMMAND = 4


UNKNOWN_TOKEN = "UNKNOWN_TOKEN"  # noqa: S105 - a reason, not a secret
TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105
PARTNER_REFUSED = "PARTNER_REFUSED"
NO_AGREEMENT = "NO_AGREEMENT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A location of the CPO's, and the EVSEs and connectors there that are meant; none named means all."""

    location_id: str
    evse_uids: tuple[str, ...] = ()
    connector_ids: tuple[str, ...] = ()

    def limited_to(self, granted: "Place | None") -> "Place":
        """Return the part of this place that an eMSP's answer grants; None and empty lists grant all that was asked.

        Raises:
            ValueError: The answer grants what was not asked about.
        """
        if granted is None:
            return self
        if fold(granted.location_id) != fold(self.location_id):
            raise ValueError("another location than the one asked about")
        return replace(
            self,
            evse_uids=_part(self.evse_uids, granted.evse_uids),
            connector_ids=_part(self.connector_ids, granted.connector_ids),
        )


def _part(asked: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    if not asked or not granted:
        return granted or asked
    known = {fold(one) for one in asked}
    if any(fold(one) not in known for one in granted):
        raise ValueError("an EVSE or connector that was not asked about")
    return granted


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a CPO asks.

    Attributes:
        emsp: The eMSP that issued the token, where the CPO knows it.
        place: Where the driver wants to charge; None when the CPO did not say.
    """

    cpo: PartyId
    token_uid: str
    token_type: str
    emsp: PartyId | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """What the agreement of the two parties says about an authorization.

    Attributes:
        agreement: Its resource name; empty when there is none that the CPO may know of.
        refusal: Why it forbids to charge, in UPPER_SNAKE_CASE; empty when it allows it.
        clause: The clause that forbids it.
        from_store: Tokens of whitelist type ALLOWED may be answered without asking the eMSP.
    """

    agreement: str = ""
    refusal: str = ""
    clause: str = ""
    from_store: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer before it is recorded; `reason` is empty when allowed."""

    allowed: Allowed
    source: Source
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """The eMSP is to be asked; `otherwise` stands when it gives no answer in time, None means that nothing does."""

    otherwise: Verdict | None = None


_WELCOME = Verdict(Allowed.ALLOWED, Source.STORE)
_UNKNOWN = Verdict(Allowed.NOT_ALLOWED, Source.STORE, UNKNOWN_TOKEN)
_INVALID = Verdict(Allowed.BLOCKED, Source.STORE, TOKEN_INVALID)


def decide(token: Token | None, permission: Permission, *, emsp_named: bool) -> Verdict | Ask:
    """Say what the answer is, or that the eMSP must give it.

    Args:
        token: The token as published; None when the hub does not hold it.
        permission: What the agreement says.
        emsp_named: The CPO named the eMSP, so that a token the hub does not hold can be asked about.
    """
    if permission.refusal:
        return Verdict(Allowed.NOT_ALLOWED, Source.AGREEMENT, permission.refusal)
    if token is None:
        return Ask() if emsp_named else _UNKNOWN
    match token.whitelist:
        case Whitelist.ALWAYS:
            return _WELCOME
        case Whitelist.NEVER:
            return Ask()
        case Whitelist.ALLOWED_OFFLINE:
            return Ask(otherwise=_WELCOME)
        case Whitelist.ALLOWED:
            if not permission.from_store:
                return Ask()
            # An invalid token may have become valid since it was published: better ask than turn a driver away.
            return _WELCOME if token.valid else Ask(otherwise=_INVALID)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmspAnswer:
    """What an eMSP answers in real time.

    Attributes:
        place: The part of what was asked that it allows; None for all of it.
        token_document: The token it answers for, its own message; empty when it gave none.
        contract_id: Of that token.
        info_document: Text for the driver, its own message; empty when it gave none.
        reference: Its own reference of the authorization.
    """

    allowed: Allowed
    place: Place | None = None
    token_document: bytes = b""
    contract_id: str = ""
    info_document: bytes = b""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """A recorded answer.

    Attributes:
        reference: The hub's reference, which session and CDR quote.
        emsp: The eMSP of the token; None when the token is unknown to the asking CPO.
        place: Where it may charge; None when no location was asked about or the answer is no.
    """

    reference: str
    cpo: PartyId
    emsp: PartyId | None
    token_uid: str
    token_type: str
    contract_id: str
    allowed: Allowed
    source: Source
    reason: str
    agreement: str
    clause: str
    place: Place | None
    token_document: bytes
    info_document: bytes
    emsp_reference: str
    recorded_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationFacts:
    """What the checks of sessions and CDRs need of a recorded answer; parties by number, ids folded."""

    reference: str
    cpo: int
    emsp: int | None
    token_uid: str
    allowed: bool
    recorded_time: datetime
    location_id: str
