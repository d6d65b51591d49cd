"""Identifiers of the field. They compare without case (OCPI CiString) and keep the sender's spelling."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple, Self

_PARTY = re.compile(r"[A-Za-z]{2}[A-Za-z0-9]{3}")
#: Folded: country, provider, instance and check digit, which may be left out. Separators may stand between them.
_EMAID = re.compile(r"[a-z]{2}[-*]?[a-z0-9]{3}[-*]?[a-z0-9]{9}([-*]?[a-z0-9])?")
_SEPARATORS = str.maketrans("", "", "*-")


class _Party(NamedTuple):
    country_code: str
    party_id: str


class PartyId(_Party):
    """A network: ISO 3166-1 country and three-character party id, `PartyId("NL", "ABC")`; held in upper case.

    A tuple, as every key of every table begins with one: tuples are hashed and compared without running any Python.
    """

    __slots__ = ()

    def __new__(cls, country_code: str, party_id: str) -> Self:
        """Return the party of these two parts.

        Raises:
            ValueError: They are not a two-letter country code and a three-character party id.
        """
        if not _PARTY.fullmatch(country_code + party_id) or len(country_code) != 2:
            raise ValueError("must be a two-letter country code and a three-character party id, such as NL and ABC")
        return super().__new__(cls, country_code.upper(), party_id.upper())

    @property
    def name(self) -> str:
        """The AIP resource name, such as `parties/nl-abc`."""
        return f"parties/{self.country_code}-{self.party_id}".lower()

    def __str__(self) -> str:
        return f"{self.country_code}-{self.party_id}"


def read_party(country_code: str, party_id: str) -> PartyId:
    """Return the party of these two parts; the same object for the same spelling, as every call names some.

    Raises:
        ValueError: They are not a two-letter country code and a three-character party id.
    """
    if len(country_code) + len(party_id) > 5:
        raise ValueError("must be a two-letter country code and a three-character party id, such as NL and ABC")
    return _party(country_code, party_id)


@lru_cache(maxsize=16_384)
def _party(country_code: str, party_id: str) -> PartyId:
    return PartyId(country_code, party_id)


def fold(text: str) -> str:
    """Return the form in which case-insensitive ids are compared and stored as keys."""
    return text.lower()


def fold_uid(uid: str) -> str:
    """Return the form in which uids of tokens are compared and stored as keys: as other ids, save eMAIDs.

    From OCPI 2.3.0 on a contract may itself be the token (type EMAID). Cars, stations and back ends write an eMAID with
    separators (`NL-ABC-C12345678-X`) and without them; all of these are one.
    """
    folded = uid.lower()
    if ("-" in folded or "*" in folded) and _EMAID.fullmatch(folded):
        return folded.translate(_SEPARATORS)
    return folded


@dataclass(frozen=True, slots=True)
class ObjectId:
    """The OCPI key of what a party owns: the party and the party's own id for it, at most 39 characters."""

    party: PartyId
    id: str = field(compare=False)
    folded: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folded", fold(self.id))

    def __hash__(self) -> int:
        # Without the party: the few that share an id cost less than hashing two things each time.
        return hash(self.folded)

    def __str__(self) -> str:
        return f"{self.party}/{self.id}"
