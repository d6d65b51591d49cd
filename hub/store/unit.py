"""The unit of work over one connection: repositories, journal and directory of one transaction."""

import secrets
from collections.abc import Callable
from datetime import datetime
from functools import cached_property

from sqlalchemy import Connection

from hub.app.directory import Directory
from hub.domain.clock import NewId
from hub.domain.journal import Stream
from hub.store.agreements import StoredAgreements
from hub.store.answers import StoredAnswers
from hub.store.authorizations import StoredAuthorizations
from hub.store.cdr_facts import StoredCdrFacts
from hub.store.cdr_standings import StoredCdrStandings
from hub.store.cdrs import StoredCdrs
from hub.store.clearing import StoredClearing
from hub.store.commands import StoredCommands
from hub.store.idempotency import StoredIdempotency
from hub.store.journal import Head, JournalTimes, JournalWriter
from hub.store.locations import StoredLocations
from hub.store.meter_keys import StoredMeterKeys
from hub.store.parties import StoredParties, load_directory
from hub.store.presence import StoredPresences
from hub.store.quality import StoredQuality
from hub.store.radar import StoredRadar
from hub.store.session import Session
from hub.store.sessions import StoredSessions
from hub.store.spans import StoredSpans
from hub.store.statements import execute
from hub.store.tariffs import StoredTariffs
from hub.store.tokens import StoredTokens
from hub.store.transparency import StoredTransparency
from hub.store.trust import StoredCertificates, StoredInvitations

#: Returns unpredictable bytes.
Entropy = Callable[[int], bytes]


class SqlUnitOfWork:
    """Implements `hub.app.ports.uow.UnitOfWork` for one group of use cases.

    `begin_use_case` and `undo_use_case` bracket each use case of the group: a savepoint in the database, and a mark
    for what is held in memory. They must stay in step, or an index would be given to a fact that was undone.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        now: datetime,
        heads: dict[int, Head],
        directory: Directory,
        new_id: NewId,
        entropy: Entropy = secrets.token_bytes,
    ) -> None:
        self.now = now
        self.new_id = new_id
        self.entropy = entropy
        self.session = Session(connection, now)
        self.journal = JournalWriter(connection, heads, now)
        self._show(directory)
        # Another process may have changed it: the journal's entries name parties by their numbers in it.
        self._mark = self.journal.mark(), self.directory

    def _show(self, directory: Directory) -> None:
        self._directory = directory
        self.journal.parties = directory.parties
        self.journal.numbers = directory.by_number

    @property
    def directory(self) -> Directory:
        """The directory as this transaction has left it so far."""
        version = self.journal.directory_version()
        if self._directory.version != version:
            self._show(load_directory(self.session.connection, version, self._directory))
        return self._directory

    def directory_changed(self) -> None:
        """Make the directory be read anew, here and by every later transaction."""
        self.journal.next_directory_version()
        _ = self.directory

    @cached_property
    def idempotency(self) -> StoredIdempotency:
        """Answers to earlier requests."""
        return StoredIdempotency(self.session)

    @cached_property
    def parties(self) -> StoredParties:
        """Parties."""
        return StoredParties(self.session, lambda: self.directory, self.directory_changed)

    @cached_property
    def agreements(self) -> StoredAgreements:
        """Agreements."""
        return StoredAgreements(self.session, lambda: self.directory, self.directory_changed)

    @cached_property
    def sessions(self) -> StoredSessions:
        """Charging sessions."""
        return StoredSessions(self.session, lambda: self.directory)

    @cached_property
    def cdrs(self) -> StoredCdrs:
        """CDRs on record."""
        return StoredCdrs(self.session, lambda: self.directory)

    @cached_property
    def cdr_standings(self) -> StoredCdrStandings:
        """Where CDRs stand that were not accepted at once."""
        return StoredCdrStandings(self.session, lambda: self.directory)

    @cached_property
    def spans(self) -> StoredSpans:
        """What accepted charges occupy."""
        return StoredSpans(self.session, lambda: self.directory)

    @cached_property
    def cdr_facts(self) -> StoredCdrFacts:
        """What the checks of CDRs ask of the rest of the hub."""
        return StoredCdrFacts(self.session, lambda: self.directory)

    @cached_property
    def locations(self) -> StoredLocations:
        """Locations and EVSE states."""
        return StoredLocations(self.session, lambda: self.directory)

    @cached_property
    def meter_keys(self) -> StoredMeterKeys:
        """Registered keys of meters."""
        return StoredMeterKeys(self.session, lambda: self.directory)

    @cached_property
    def tariffs(self) -> StoredTariffs:
        """Tariffs and their versions."""
        return StoredTariffs(self.session, lambda: self.directory)

    @cached_property
    def invitations(self) -> StoredInvitations:
        """Invitations."""
        return StoredInvitations(self.session, lambda: self.directory)

    @cached_property
    def certificates(self) -> StoredCertificates:
        """Certificates."""
        return StoredCertificates(self.session, self.directory_changed)

    @cached_property
    def presences(self) -> StoredPresences:
        """Who can be reached."""
        return StoredPresences(self.session, lambda: self.directory)

    @cached_property
    def authorizations(self) -> StoredAuthorizations:
        """Authorizations given."""
        return StoredAuthorizations(self.session, lambda: self.directory)

    @cached_property
    def commands(self) -> StoredCommands:
        """Commands sent."""
        return StoredCommands(self.session, lambda: self.directory)

    @cached_property
    def tokens(self) -> StoredTokens:
        """Tokens."""
        return StoredTokens(self.session, lambda: self.directory)

    @cached_property
    def clearing(self) -> StoredClearing:
        """Settlement periods, statements and postings."""
        return StoredClearing(self.session, lambda: self.directory)

    @cached_property
    def radar(self) -> StoredRadar:
        """What should be on record and is not."""
        return StoredRadar(self.session, lambda: self.directory, self._clearing_times)

    @cached_property
    def answers(self) -> StoredAnswers:
        """Which parties answered what was relayed to them."""
        return StoredAnswers(self.session, lambda: self.directory)

    @cached_property
    def quality(self) -> StoredQuality:
        """Figures of what parties report."""
        return StoredQuality(self.session, lambda: self.directory, self._clearing_times)

    @cached_property
    def _clearing_times(self) -> JournalTimes:
        return JournalTimes(self.session.connection, lambda: self.journal.head(Stream.CLEARING))

    @cached_property
    def transparency(self) -> StoredTransparency:
        """The Merkle tree of the clearing journal, and the keyring."""
        return StoredTransparency(self.session)

    def begin_use_case(self) -> None:
        """Set the point to which `undo_use_case` returns."""
        self._mark = self.journal.mark(), self._directory
        execute(self.session.connection, "SAVEPOINT use_case")

    def end_use_case(self) -> None:
        """Write what the use case queued and keep it."""
        self.session.flush()
        execute(self.session.connection, "RELEASE SAVEPOINT use_case")

    def undo_use_case(self) -> None:
        """Undo all that the use case did, in the database and in memory."""
        self.session.discard()
        journal, directory = self._mark
        self.journal.restore(journal)
        self._show(directory)
        execute(self.session.connection, "ROLLBACK TO SAVEPOINT use_case")
        execute(self.session.connection, "RELEASE SAVEPOINT use_case")
