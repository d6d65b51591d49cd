"""The words of the codec: versions, kinds of objects, and what it has to say about a translation."""

from dataclasses import dataclass
from enum import Enum, StrEnum


class Version(StrEnum):
    """The OCPI versions we speak, oldest first."""

    V2_1_1 = "2.1.1"
    V2_2_1 = "2.2.1"
    V2_3_0 = "2.3.0"


ALL = tuple(Version)
V211, V221, V230 = ALL
SINCE_221 = (V221, V230)
UNTIL_221 = (V211, V221)


class Kind(StrEnum):
    """The objects that travel on their own, by OCPI's name in snake_case."""

    LOCATION = "location"
    EVSE = "evse"
    CONNECTOR = "connector"
    TARIFF = "tariff"
    TOKEN = "token"  # noqa: S105 - the driver's, not a secret of ours
    AUTHORIZATION_INFO = "authorization_info"
    LOCATION_REFERENCES = "location_references"
    SESSION = "session"
    CHARGING_PREFERENCES = "charging_preferences"
    CDR = "cdr"


class Kept(Enum):
    """Where a value that breaks a rule went."""

    MAPPED = "mapped"
    """It was understood all the same and stands in its field."""
    ASIDE = "aside"
    """It stands verbatim in `extensions` and its field is unset."""
    NOWHERE = "nowhere"
    """There was no value: a required one is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One place in what a peer sent that breaks a rule of OCPI. Holds no personal data.

    Attributes:
        path: JSON path such as `$.evses[0].status`.
        rule: the rule, such as `must be at most 36 characters`.
        kept: where the value went; a caller that wants only sound objects refuses ASIDE and NOWHERE.
    """

    path: str
    rule: str
    kept: Kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """One place where a version of OCPI cannot say what the message says.

    Attributes:
        path: JSON path in the object that was made, or would have held the value.
        rule: why, such as `2.2.1 does not know MCS`.
        assumed: nothing was lost, but the version demands a value that the message does not give, and got a usual one.
    """

    path: str
    rule: str
    assumed: bool = False


class Repaired(Exception):
    """A value breaks rules, but its meaning is plain: `value` is to be used. `rules` are (place below it, rule)."""

    def __init__(self, value: object, *rules: tuple[str, str]) -> None:
        super().__init__(rules)
        self.value = value
        self.rules = rules


class Refused(Exception):
    """A value breaks a rule and has no meaning in its field. `at` is the place below it, such as `[2]`."""

    def __init__(self, rule: str, at: str = "") -> None:
        super().__init__(rule)
        self.rule = rule
        self.at = at
