"""Reading a CDR on record: its two sides may, and the hub's operators; for all others there is none."""

from hub.app.cdrs.standings import no_cdr
from hub.app.ports.uow import UnitOfWork
from hub.domain.cdrs.record import CdrRecord
from hub.domain.ids import ObjectId
from hub.domain.parties import Caller


def read_cdr(uow: UnitOfWork, caller: Caller, key: ObjectId) -> CdrRecord:
    """Return a CDR that the caller may see.

    Raises:
        NotFound: There is none, or the caller is neither its CPO, nor its eMSP, nor an operator.
    """
    record = uow.cdrs.get(key)
    if record is None or not _may_see(caller, record):
        raise no_cdr()
    return record


def _may_see(caller: Caller, record: CdrRecord) -> bool:
    return caller.operator or record.id.party in caller.parties or record.emsp in caller.parties
