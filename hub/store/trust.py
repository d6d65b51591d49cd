"""Invitations and certificates."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, select, update

from hub.app.directory import Directory
from hub.domain.trust import CertificateRecord, Invitation
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement, insert_into
from hub.store.tables.trust import CertificateRow, InvitationRow
from hub.store.types import from_micros, to_micros

_INVITATION = InvitationRow.__table__  # type: ignore[attr-defined]
_FIND = Statement(select(*_INVITATION.c).where(_INVITATION.c.id == bindparam("id_")))
_BY_CODE = Statement(select(*_INVITATION.c).where(_INVITATION.c.code_hash == bindparam("hash_")))
_BEFORE = (
    select(*_INVITATION.c)
    .where(_INVITATION.c.id < bindparam("before"))
    .order_by(_INVITATION.c.id.desc())
    .limit(bindparam("most"))
)
_NEWEST = Statement(_BEFORE)
_NEWEST_OF_PLATFORM = Statement(_BEFORE.where(_INVITATION.c.platform == bindparam("platform_")))
_AFTER_EVERY_ID = "g"  # ids are hexadecimal
_CHANGE = Statement(
    update(_INVITATION)
    .where(_INVITATION.c.id == bindparam("id_"))
    .values(used_time=bindparam("new_used"), revoked_time=bindparam("new_revoked"))
)

_CERTIFICATE = CertificateRow.__table__  # type: ignore[attr-defined]
_BY_SERIAL = Statement(select(*_CERTIFICATE.c).where(_CERTIFICATE.c.serial == bindparam("serial_")))
_OF_INVITATION = Statement(select(*_CERTIFICATE.c).where(_CERTIFICATE.c.invitation == bindparam("invitation_")))
_UNEXPIRED = SelectIn(
    select(*_CERTIFICATE.c).where(_CERTIFICATE.c.expire_time > bindparam("now_")), _CERTIFICATE.c.subject
)
_UNEXPIRED_OF_ALL = Statement(
    select(*_CERTIFICATE.c).where(
        func.substr(_CERTIFICATE.c.subject, 1, bindparam("length")) == bindparam("prefix"),
        _CERTIFICATE.c.expire_time > bindparam("now_"),
    )
)
_REVOKED = Statement(select(_CERTIFICATE.c.serial).where(_CERTIFICATE.c.revoked_time.is_not(None)))
_REVOKE = Statement(
    update(_CERTIFICATE)
    .where(_CERTIFICATE.c.serial == bindparam("serial_"))
    .values(revoked_time=bindparam("new_revoked"))
)


def _optional_to(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def _optional_from(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def certificate_from_row(row: Row) -> CertificateRecord:
    """Return the certificate that a whole row holds."""
    serial, subject, created, expires, renew, csr_hash, chain_pem, invitation, revoked = row
    return CertificateRecord(
        serial=serial,
        subject=subject,
        created=from_micros(created),
        expires=from_micros(expires),
        renew=from_micros(renew),
        csr_hash=bytes(csr_hash),
        chain_pem=bytes(chain_pem),
        invitation=invitation or "",
        revoked=_optional_from(revoked),
    )


def certificate_to_row(record: CertificateRecord) -> Row:
    """Return the whole row of a certificate."""
    return (
        record.serial,
        record.subject,
        to_micros(record.created),
        to_micros(record.expires),
        to_micros(record.renew),
        record.csr_hash,
        record.chain_pem,
        record.invitation or None,
        _optional_to(record.revoked),
    )


def revoked_serials(connection: Connection) -> frozenset[str]:
    """Return the serial numbers of all revoked certificates, for the directory."""
    return frozenset(serial for (serial,) in _REVOKED.all(connection))


class StoredInvitations:
    """Implements `hub.app.ports.trust.Invitations`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def _from_row(self, row: Row) -> Invitation:
        invitation_id, code_hash, platform, parties, created, expires, used, revoked = row
        known = self._directory().by_number
        return Invitation(
            id=invitation_id,
            code_hash=bytes(code_hash),
            platform=platform,
            parties=tuple(known[int(number)].id for number in parties.split(",") if number),
            created=from_micros(created),
            expires=from_micros(expires),
            used=_optional_from(used),
            revoked=_optional_from(revoked),
        )

    def find(self, invitation_id: str) -> Invitation | None:
        """Return the invitation, or None."""
        rows = _FIND.all(self._session.connection, (invitation_id,))
        return self._from_row(rows[0]) if rows else None

    def find_by_code(self, code_hash: bytes) -> Invitation | None:
        """Return the invitation whose code has this hash, or None."""
        rows = _BY_CODE.all(self._session.connection, (code_hash,))
        return self._from_row(rows[0]) if rows else None

    def page(self, *, platform: str, before_id: str, limit: int) -> Sequence[Invitation]:
        """Return invitations, newest first."""
        connection, before = self._session.connection, before_id or _AFTER_EVERY_ID
        if platform:
            rows = _NEWEST_OF_PLATFORM.all(connection, (before, platform, limit))
        else:
            rows = _NEWEST.all(connection, (before, limit))
        return [self._from_row(row) for row in rows]

    def save(self, invitation: Invitation) -> None:
        """Insert an invitation, or replace what became of it."""
        connection, parties = self._session.connection, self._directory().parties
        used, revoked = _optional_to(invitation.used), _optional_to(invitation.revoked)
        if _CHANGE.run(connection, (used, revoked, invitation.id)):
            return
        numbers = ",".join(str(parties[party].number) for party in invitation.parties)
        row = (
            invitation.id,
            invitation.code_hash,
            invitation.platform,
            numbers,
            to_micros(invitation.created),
            to_micros(invitation.expires),
            used,
            revoked,
        )
        insert_into(InvitationRow).run(connection, row)


def _newest_first(rows: Sequence[Row]) -> list[CertificateRecord]:
    found = [certificate_from_row(row) for row in rows]
    return sorted(found, key=lambda record: (record.created, record.serial), reverse=True)


class StoredCertificates:
    """Implements `hub.app.ports.trust.Certificates`."""

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session = session
        self._changed = changed

    def find(self, serial: str) -> CertificateRecord | None:
        """Return the certificate, or None."""
        rows = _BY_SERIAL.all(self._session.connection, (serial,))
        return certificate_from_row(rows[0]) if rows else None

    def of_invitation(self, invitation_id: str) -> CertificateRecord | None:
        """Return the certificate that was issued for an invitation, or None."""
        rows = _OF_INVITATION.all(self._session.connection, (invitation_id,))
        return certificate_from_row(rows[0]) if rows else None

    def unexpired(self, subjects: Sequence[str], now: datetime) -> Sequence[CertificateRecord]:
        """Return the certificates of these subjects that have not expired, newest first."""
        return _newest_first(_UNEXPIRED.all(self._session.connection, subjects, (to_micros(now),)))

    def unexpired_of_all(self, prefix: str, now: datetime) -> Sequence[CertificateRecord]:
        """Return those that have not expired of all subjects that begin so, newest first."""
        chosen = len(prefix), prefix, to_micros(now)
        return _newest_first(_UNEXPIRED_OF_ALL.all(self._session.connection, chosen))

    def add(self, record: CertificateRecord) -> None:
        """Insert a certificate."""
        insert_into(CertificateRow).run(self._session.connection, certificate_to_row(record))

    def revoke(self, serials: Sequence[str], now: datetime) -> None:
        """Mark certificates as revoked."""
        _REVOKE.run_each(self._session.connection, [(to_micros(now), serial) for serial in serials])
        if serials:
            self._changed()
