"""Whose publications a caller may see."""

from collections.abc import Sequence

from hub.app.directory import Directory
from hub.domain.ids import PartyId
from hub.domain.parties import Caller


def shown_owners(directory: Directory, caller: Caller, wanted: Sequence[PartyId] = ()) -> list[PartyId]:
    """Return, in order, the parties whose locations and tariffs the caller may see; of those wanted, if any are named.

    A party that is wanted and not visible is left out like one that does not exist.
    """
    visible = directory.partners_of(caller.platform)
    return sorted(visible & set(wanted) if wanted else visible)
