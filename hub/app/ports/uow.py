"""The unit of work: all that one write use case may touch, inside one transaction."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from hub.app.directory import Directory
from hub.app.ports.agreements import Agreements
from hub.app.ports.answers import Answers
from hub.app.ports.authorizations import Authorizations
from hub.app.ports.cdrs import CdrFacts, Cdrs, CdrStandings
from hub.app.ports.clearing import Clearing, Transparency
from hub.app.ports.commands import Commands
from hub.app.ports.locations import Locations
from hub.app.ports.meter import MeterKeys
from hub.app.ports.parties import Parties
from hub.app.ports.presence import Presences
from hub.app.ports.quality import Quality
from hub.app.ports.radar import Radar
from hub.app.ports.sessions import ChargingSessions
from hub.app.ports.spans import Spans
from hub.app.ports.tariffs import Tariffs
from hub.app.ports.tokens import Tokens
from hub.app.ports.trust import Certificates, Invitations
from hub.domain.journal import Entry, Fact, Receipt, Stream


class Journal(Protocol):
    """The append-only journal, seen from inside a transaction."""

    def append(self, stream: Stream, fact: Fact) -> Receipt:
        """Append one fact; its index is final once the transaction commits."""
        ...

    def head(self, stream: Stream) -> int:
        """Return the number of entries, those of this transaction included."""
        ...

    def read(self, stream: Stream, after_index: int, limit: int) -> Sequence[Entry]:
        """Return committed entries with an index greater than `after_index`, in order, at most `limit`."""
        ...


class Idempotency(Protocol):
    """What earlier requests with a `request_id` were answered."""

    def find(self, platform: str, request_ids: Sequence[str]) -> dict[str, tuple[bytes, bytes]]:
        """Return, by request id, the hash of what was asked and the stored response, for those that were seen."""
        ...

    def remember(self, platform: str, request_id: str, request_hash: bytes, response: bytes) -> None:
        """Record the answer, in the transaction of its effect."""
        ...


class UnitOfWork(Protocol):
    """One transaction. Leaving a use case by an exception undoes all that it did."""

    @property
    def now(self) -> datetime:
        """The instant of the transaction, aware UTC: the recorded time of all it appends."""
        ...

    @property
    def directory(self) -> Directory:
        """Parties, platforms and agreements as this transaction found them."""
        ...

    @property
    def journal(self) -> Journal:
        """The journal."""
        ...

    @property
    def idempotency(self) -> Idempotency:
        """Answers to earlier requests."""
        ...

    @property
    def parties(self) -> Parties:
        """Parties and the platforms that operate them."""
        ...

    @property
    def agreements(self) -> Agreements:
        """Agreements, by version."""
        ...

    @property
    def sessions(self) -> ChargingSessions:
        """Charging sessions."""
        ...

    @property
    def cdrs(self) -> Cdrs:
        """CDRs on record."""
        ...

    @property
    def cdr_standings(self) -> CdrStandings:
        """Where CDRs stand that were not accepted at once."""
        ...

    @property
    def spans(self) -> Spans:
        """What accepted charges occupy."""
        ...

    @property
    def cdr_facts(self) -> CdrFacts:
        """What the checks of CDRs ask of the rest of the hub."""
        ...

    @property
    def locations(self) -> Locations:
        """Locations and EVSE states."""
        ...

    @property
    def meter_keys(self) -> MeterKeys:
        """Registered keys of meters."""
        ...

    @property
    def tariffs(self) -> Tariffs:
        """Tariffs and their versions."""
        ...

    @property
    def invitations(self) -> Invitations:
        """Invitations to register."""
        ...

    @property
    def certificates(self) -> Certificates:
        """Certificates that the hub has issued."""
        ...

    @property
    def presences(self) -> Presences:
        """Who can be reached."""
        ...

    @property
    def authorizations(self) -> Authorizations:
        """Authorizations given."""
        ...

    @property
    def commands(self) -> Commands:
        """Commands sent."""
        ...

    @property
    def tokens(self) -> Tokens:
        """Tokens that eMSPs have published."""
        ...

    @property
    def clearing(self) -> Clearing:
        """Settlement periods, statements and postings."""
        ...

    @property
    def radar(self) -> Radar:
        """What should be on record and is not."""
        ...

    @property
    def answers(self) -> Answers:
        """Which parties answered what was relayed to them."""
        ...

    @property
    def quality(self) -> Quality:
        """Figures of what parties report."""
        ...

    @property
    def transparency(self) -> Transparency:
        """The Merkle tree of the clearing journal, and the keyring."""
        ...

    def new_id(self) -> str:
        """Return a new unique id (UUID version 7)."""
        ...

    def entropy(self, size: int) -> bytes:
        """Return that many unpredictable bytes."""
        ...
