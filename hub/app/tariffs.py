"""Publishing tariffs, ending them, and finding the version that was in force."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.app.locations import Place
from hub.app.ports.uow import UnitOfWork
from hub.app.visibility import shown_owners
from hub.domain.errors import HubError, NotFound
from hub.domain.ids import ObjectId, PartyId
from hub.domain.journal import EntryKind, Fact, Stream
from hub.domain.locations import out_of_date
from hub.domain.parties import Caller
from hub.domain.tariffs import HeldTariff, TariffRecord, TariffVersion

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTariff:
    """A tariff as its owner sent it, found fit to be priced by. `digest`, 16 bytes, tells one message from another."""

    id: ObjectId
    last_updated: datetime
    document: bytes
    digest: bytes


def not_found() -> NotFound:
    """Return the answer for a tariff that does not exist, or not for the caller."""
    return NotFound("TARIFF_NOT_FOUND", "there is no such tariff")


def put_tariffs(uow: UnitOfWork, tariffs: Sequence[PublishedTariff]) -> list[bool | HubError]:
    """Create tariffs or new versions of them.

    A version is in force from its `last_updated`, but never before one that came earlier: of two with the same time
    the later one follows a microsecond after.

    Returns:
        For each whether anything changed, or Stale `OUT_OF_DATE`.
    """
    held = uow.tariffs.held({tariff.id for tariff in tariffs})
    versions: list[TariffVersion] = []
    answers: list[bool | HubError] = []
    for tariff in tariffs:
        known = held.get(tariff.id)
        valid_from = tariff.last_updated
        if known is not None:
            if tariff.last_updated < known.last_updated:
                answers.append(out_of_date())
                continue
            if tariff.last_updated == known.last_updated and tariff.digest == known.digest and not known.removed:
                answers.append(False)
                continue
            valid_from = max(valid_from, known.valid_from + _TICK)
        held[tariff.id] = HeldTariff(last_updated=tariff.last_updated, digest=tariff.digest, valid_from=valid_from)
        versions.append(TariffVersion(id=tariff.id, held=held[tariff.id], document=tariff.document))
        fact = Fact(kind=EntryKind.TARIFF, owner=tariff.id.party, subject=str(tariff.id), body=tariff.document)
        uow.journal.append(Stream.REGISTRY, fact)
        answers.append(True)
    uow.tariffs.add(versions)
    return answers


def remove_tariff(uow: UnitOfWork, tariff: ObjectId, body: Callable[[datetime], bytes]) -> datetime:
    """End a tariff now.

    Args:
        uow: The transaction.
        tariff: Which.
        body: Returns the message that says so, for the journal.

    Returns:
        When it ended.

    Raises:
        NotFound: There is no such tariff, or it has ended.
    """
    known = uow.tariffs.held([tariff]).get(tariff)
    if known is None or known.removed:
        raise not_found()
    ended = HeldTariff(
        last_updated=known.last_updated,
        digest=known.digest,
        valid_from=max(uow.now, known.valid_from + _TICK),
        removed=True,
    )
    uow.tariffs.add([TariffVersion(id=tariff, held=ended)])
    fact = Fact(kind=EntryKind.TARIFF_REMOVED, owner=tariff.party, subject=str(tariff), body=body(ended.valid_from))
    uow.journal.append(Stream.REGISTRY, fact)
    return ended.valid_from


def get_tariff(uow: UnitOfWork, caller: Caller, tariff: ObjectId, as_of: datetime | None) -> TariffRecord:
    """Return one tariff that the caller may see, as it is or as it was at an instant; raises NotFound."""
    record = None
    if tariff.party in uow.directory.partners_of(caller.platform):
        if as_of is None:
            record = uow.tariffs.records([tariff]).get(tariff)
        else:
            record = uow.tariffs.as_of([(tariff, as_of)]).get((tariff, as_of))
    if record is None:
        raise not_found()
    return record


def list_tariffs(
    uow: UnitOfWork,
    caller: Caller,
    *,
    party: PartyId | None,
    updated_since: datetime | None,
    after: Place | None,
    limit: int,
) -> list[TariffRecord]:
    """Return tariffs that the caller may see, by owner and id; arguments as `list_locations`."""
    found: list[TariffRecord] = []
    for owner in shown_owners(uow.directory, caller, [party] if party else ()):
        if len(found) == limit:
            break
        if after is not None and owner < after.owner:
            continue
        start = after.folded if after is not None and owner == after.owner else ""
        found += uow.tariffs.page(owner, after=start, updated_since=updated_since, limit=limit - len(found))
    return found
