"""Agreements: one row for each version, the terms as one JSON object."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType

from sqlalchemy import Connection, bindparam, or_, select, text, tuple_, update

from hub.app.directory import Directory, telling
from hub.domain.agreements import Agreement, AgreementState, CheckAction, Cycle, Netting, Rounding, Service, Terms
from hub.domain.ids import PartyId
from hub.domain.parties import Party
from hub.store.session import Session
from hub.store.statements import Row, SelectIn, Statement, insert_into
from hub.store.tables.agreements import AgreementRow
from hub.store.types import from_micros, to_micros

_ROW = AgreementRow.__table__  # type: ignore[attr-defined]
_EVERY = select(*_ROW.c)
_CURRENT = _EVERY.where(_ROW.c.state != "SUPERSEDED")
_ALL = Statement(_CURRENT)
_CHANGED_PAIRS = select(_ROW.c.cpo, _ROW.c.emsp).where(_ROW.c.directory_version > bindparam("since_"))
_CHANGED = Statement(_CURRENT.where(tuple_(_ROW.c.cpo, _ROW.c.emsp).in_(_CHANGED_PAIRS)))
_VERSIONS = Statement(_EVERY.where(_ROW.c.id == bindparam("id_")).order_by(_ROW.c.version))
_LIVING = Statement(
    _EVERY.where(
        _ROW.c.cpo == bindparam("cpo_"),
        _ROW.c.emsp == bindparam("emsp_"),
        text("state IN ('PROPOSED', 'ACCEPTED', 'ACTIVE', 'SUSPENDED')"),
    ).order_by(_ROW.c.version)
)
_OF_IDS = SelectIn(_EVERY, _ROW.c.id)
_CHANGE = Statement(
    update(_ROW)
    .where(_ROW.c.id == bindparam("id_"), _ROW.c.version == bindparam("version_"))
    .values(
        state=bindparam("new_state"),
        suspended_by=bindparam("new_suspended_by"),
        note=bindparam("new_note"),
        changed_time=bindparam("new_time"),
        since=bindparam("new_since"),
        ended=bindparam("new_ended"),
        directory_version=bindparam("new_directory_version"),
    )
)


#: What terms say that were written before these were terms, in microseconds.
_RETURN_WINDOW = timedelta(days=14) // timedelta(microseconds=1)
_REVIEW_WINDOW = timedelta(days=7) // timedelta(microseconds=1)


def terms_to_text(terms: Terms) -> str:
    """Return the terms as JSON with sorted keys: decimals as text, durations and instants in microseconds."""
    return json.dumps(
        {
            "services": sorted(terms.services),
            "currency": terms.currency,
            "cycle": terms.cycle,
            "time_zone": terms.time_zone,
            "grace": _micros(terms.grace),
            "dispute_window": _micros(terms.dispute_window),
            "price_tolerance": str(terms.price_tolerance),
            "price_tolerance_relative": str(terms.price_tolerance_relative),
            "cdr_age_max": _micros(terms.cdr_age_max),
            "return_window": _micros(terms.return_window),
            "review_window": _micros(terms.review_window),
            "rounding": terms.rounding,
            "tax_profile": terms.tax_profile,
            "fx_profile": terms.fx_profile,
            "fee_profile": terms.fee_profile,
            "netting": terms.netting,
            "pricing_policy": terms.pricing_policy,
            "allow_stored_authorization": terms.allow_stored_authorization,
            "checks": dict(terms.checks),
            "start": to_micros(terms.start),
            "end": _optional(terms.end),
        },
        sort_keys=True,
        separators=(",", ":"),
    )


# Most agreements of a hub share their terms with others, and the directory is read anew at every change.
@lru_cache(maxsize=16_384)
def terms_from_text(written: str) -> Terms:
    """Return the terms that `terms_to_text` wrote."""
    said = json.loads(written)
    return Terms(
        services=frozenset(Service(service) for service in said["services"]),
        currency=said["currency"],
        cycle=Cycle(said["cycle"]),
        time_zone=said["time_zone"],
        grace=timedelta(microseconds=said["grace"]),
        dispute_window=timedelta(microseconds=said["dispute_window"]),
        price_tolerance=Decimal(said["price_tolerance"]),
        price_tolerance_relative=Decimal(said["price_tolerance_relative"]),
        cdr_age_max=timedelta(microseconds=said["cdr_age_max"]),
        return_window=timedelta(microseconds=said.get("return_window", _RETURN_WINDOW)),
        review_window=timedelta(microseconds=said.get("review_window", _REVIEW_WINDOW)),
        rounding=Rounding(said["rounding"]),
        tax_profile=said["tax_profile"],
        fx_profile=said["fx_profile"],
        fee_profile=said["fee_profile"],
        netting=Netting(said["netting"]),
        pricing_policy=said["pricing_policy"],
        allow_stored_authorization=said["allow_stored_authorization"],
        checks=MappingProxyType({code: CheckAction(action) for code, action in said["checks"].items()}),
        start=from_micros(said["start"]),
        end=None if said["end"] is None else from_micros(said["end"]),
    )


def _micros(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _optional(instant: datetime | None) -> int | None:
    return None if instant is None else to_micros(instant)


def agreement_to_row(agreement: Agreement, parties: Mapping[PartyId, Party], directory_version: int) -> Row:
    """Return the whole row of a version."""
    return (
        agreement.id,
        agreement.version,
        parties[agreement.cpo].number,
        parties[agreement.emsp].number,
        str(agreement.state),
        parties[agreement.proposer].number,
        _suspended_by(agreement, parties),
        agreement.note,
        to_micros(agreement.created),
        to_micros(agreement.changed),
        _optional(agreement.since),
        _optional(agreement.ended),
        directory_version,
        terms_to_text(agreement.terms),
    )


def _suspended_by(agreement: Agreement, parties: Mapping[PartyId, Party]) -> str:
    return ",".join(str(number) for number in sorted(parties[party].number for party in agreement.suspended_by))


def agreement_from_row(row: Row, parties: Mapping[int, Party]) -> Agreement:
    """Return the version that a whole row holds."""
    agreement_id, version, cpo, emsp, state, proposer, suspended_by, note, *times, _, terms = row
    created, changed, since, ended = times
    return Agreement(
        id=agreement_id,
        version=version,
        cpo=parties[cpo].id,
        emsp=parties[emsp].id,
        state=AgreementState(state),
        terms=terms_from_text(terms),
        proposer=parties[proposer].id,
        suspended_by=frozenset(parties[int(number)].id for number in suspended_by.split(",") if number),
        note=note,
        created=from_micros(created),
        changed=from_micros(changed),
        since=None if since is None else from_micros(since),
        ended=None if ended is None else from_micros(ended),
    )


def all_agreements(connection: Connection, parties: Mapping[int, Party]) -> list[Agreement]:
    """Return every version that is not superseded, for the directory."""
    return [agreement_from_row(row, parties) for row in _ALL.all(connection)]


def changed_agreements(connection: Connection, parties: Mapping[int, Party], since: int) -> list[Agreement]:
    """Return the same of those pairs of which a version was written after that version of the directory."""
    return [agreement_from_row(row, parties) for row in _CHANGED.all(connection, (since,))]


class StoredAgreements:
    """Implements `hub.app.ports.agreements.Agreements`."""

    def __init__(self, session: Session, directory: Callable[[], Directory], changed: Callable[[], None]) -> None:
        self._session = session
        self._directory = directory
        self._changed = changed

    def _read(self, rows: list[Row]) -> list[Agreement]:
        parties = self._directory().by_number
        return [agreement_from_row(row, parties) for row in rows]

    def versions(self, agreement_id: str) -> Sequence[Agreement]:
        """Return all versions of one agreement."""
        return self._read(_VERSIONS.all(self._session.connection, (agreement_id,)))

    def living(self, cpo: PartyId, emsp: PartyId) -> Sequence[Agreement]:
        """Return the versions between the two that are not over."""
        parties = self._directory().parties
        if cpo not in parties or emsp not in parties:
            return []
        return self._read(_LIVING.all(self._session.connection, (parties[cpo].number, parties[emsp].number)))

    def page(
        self, parties: Collection[PartyId], *, state: AgreementState | None, after_id: str, limit: int
    ) -> Sequence[Agreement]:
        """Return agreements in which one of the parties takes part, by ascending id."""
        known = self._directory().parties
        numbers = [known[party].number for party in parties if party in known]
        query = select(_ROW.c.id).distinct().where(or_(_ROW.c.cpo.in_(numbers), _ROW.c.emsp.in_(numbers)))
        if state is not None:
            query = query.where(_ROW.c.state == str(state))
        query = query.where(_ROW.c.id > after_id).order_by(_ROW.c.id).limit(limit)
        ids = [row[0] for row in self._session.connection.execute(query)]
        telling_version: dict[str, Agreement] = {}
        for agreement in sorted(self._read(_OF_IDS.all(self._session.connection, ids)), key=telling):
            if state is None or agreement.state is state:
                telling_version[agreement.id] = agreement
        return [telling_version[agreement_id] for agreement_id in ids]

    def save(self, *agreements: Agreement) -> None:
        """Insert or replace versions, in this order."""
        connection, directory = self._session.connection, self._directory()
        parties, version = directory.parties, directory.version + 1
        for agreement in agreements:
            change = (
                str(agreement.state),
                _suspended_by(agreement, parties),
                agreement.note,
                to_micros(agreement.changed),
                _optional(agreement.since),
                _optional(agreement.ended),
                version,
                agreement.id,
                agreement.version,
            )
            if not _CHANGE.run(connection, change):
                insert_into(AgreementRow).run(connection, agreement_to_row(agreement, parties, version))
        self._changed()
