"""The directory: who takes part and who roams with whom, held in memory as one immutable snapshot.

Every transaction works with the snapshot that is current for it: the committer compares the stored version with the
one it holds before it runs anything, and reads the directory anew when another transaction, in whatever process,
changed it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from hub.domain.ids import PartyId
from hub.domain.parties import Party, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One version of what the stored directory says; made by `of`.

    Attributes:
        version: Counts the changes; equal versions mean equal content.
        parties: Every party by id.
        by_number: Every party by the number that stands for it in large tables.
        by_platform: For each platform the parties it operates, with their roles.
        revoked: Serial numbers (hexadecimal) of certificates that no longer admit their bearer.
    """

    version: int = 0
    parties: Mapping[PartyId, Party] = field(default_factory=dict)
    by_number: Mapping[int, Party] = field(default_factory=dict)
    by_platform: Mapping[str, Mapping[PartyId, frozenset[Role]]] = field(default_factory=dict)
    revoked: frozenset[str] = frozenset()

    @classmethod
    def of(cls, *, version: int, parties: Iterable[Party], revoked: Iterable[str] = ()) -> "Directory":
        """Return the directory with its parties indexed in every way that is asked for."""
        everyone = list(parties)
        by_platform: dict[str, dict[PartyId, frozenset[Role]]] = {}
        for party in everyone:
            by_platform.setdefault(party.platform, {})[party.id] = party.roles
        return cls(
            version=version,
            parties={party.id: party for party in everyone},
            by_number={party.number: party for party in everyone},
            by_platform=by_platform,
            revoked=frozenset(revoked),
        )
