"""Who may see which facts of the journal."""

from hub.app.directory import Directory
from hub.domain.journal import Entry, Stream
from hub.domain.parties import Caller


def may_see(directory: Directory, caller: Caller, entry: Entry) -> bool:
    """Say whether the caller may see an entry.

    The operator sees all. A partner sees what its parties own or are the counterparty of; of the registry also what
    parties publish with which one of its own has an active agreement.
    """
    fact = entry.fact
    if caller.operator or fact.owner in caller.parties or fact.counterparty in caller.parties:
        return True
    if fact.private or fact.owner is None or entry.stream is not Stream.REGISTRY:
        return False
    return fact.owner in directory.partners_of(caller.platform)
