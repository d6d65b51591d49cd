"""The words in which tables say which field of OCPI is which of ours.

A `Table` is one message of the contract with a `Row` per field that some version of OCPI has. The same rows drive both
directions, the documentation and the test against the specification's own field list. Where a version shapes things
differently, a row has a `Bridge`; what a version cannot say has a `Gap` when it needs a word of explanation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from google.protobuf.message import Message

from adapters.ocpi.codec.jsontext import Json
from adapters.ocpi.codec.values import Value
from adapters.ocpi.codec.words import ALL, Kept, Loss, Problem, Version


@dataclass(frozen=True, slots=True)
class Nested:
    """A nested object. `names` is what a version calls it, where that is not the table's name."""

    table: "Table"
    names: Mapping[Version, str] = field(default_factory=dict)

    def label(self, version: Version) -> str:
        """Return the nested object's name in that version."""
        return self.names.get(version, self.table.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A field that a version shapes differently from ours.

    Attributes:
        read: sets our fields from the JSON value; reports problems below the path; raises as a `Value` does. Returns
            whether our fields now say all of it; else the value is kept in `extensions` as well.
        write: returns the JSON value, or None for absent; reports what is lost below the path. Not called when
            `extensions` hold the value as it was sent.
        covers: our fields that `write` speaks for.
        table: the table of the nested objects that it reads and writes, if any.
    """

    name: str
    read: Callable[[Message, Json, "Reading"], bool]
    write: Callable[[Message, "Writing"], Json]
    covers: frozenset[str]
    table: "Table | None" = None

    def label(self, _version: Version) -> str:
        """Return the type's name in OCPI's table."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One field of an OCPI object.

    Attributes:
        ocpi: OCPI's name.
        kind: its type.
        card: OCPI's cardinality: `1`, `?`, `*` or `+`.
        versions: where it is so.
        ours: the contract's field, when named otherwise; for a bridge, words for the documentation.
        assume: what to write when a version requires the field and the message has none.
    """

    ocpi: str
    kind: "Value | Nested | Bridge"
    card: str
    versions: tuple[Version, ...] = ALL
    ours: str = ""
    assume: str | None = None

    @property
    def target(self) -> str:
        """The contract's field."""
        return self.ours or self.ocpi


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A field of ours that some versions cannot say.

    Attributes:
        ours: the contract's field.
        versions: where there is no such field.
        rule: what is lost with it, or why nothing is.
        harmless: whether a value is no loss there, as the version implies it.
        implied: the value that reading such a version sets.
    """

    ours: str
    versions: tuple[Version, ...]
    rule: str
    harmless: Callable[[object], bool] = lambda _: False
    implied: object = None


@dataclass(slots=True)
class Reading:
    """Where a reader is, and what it found wrong so far. `partial`: required fields may be missing here."""

    version: Version
    path: str
    problems: list[Problem]
    partial: bool = False

    def below(self, place: str) -> "Reading":
        """Return the reading of what lies at `place`, such as `.evses[0]`."""
        return Reading(self.version, self.path + place, self.problems)

    def note(self, rule: str, kept: Kept = Kept.MAPPED, at: str = "") -> None:
        """Record a broken rule."""
        self.problems.append(Problem(path=self.path + at, rule=rule, kept=kept))


@dataclass(slots=True)
class Writing:
    """Where a writer is, and what it could not say so far."""

    version: Version
    path: str
    losses: list[Loss]

    def below(self, place: str) -> "Writing":
        """Return the writing of what lies at `place`."""
        return Writing(self.version, self.path + place, self.losses)

    def note(self, rule: str, at: str = "", *, assumed: bool = False) -> None:
        """Record a loss."""
        self.losses.append(Loss(path=self.path + at, rule=rule, assumed=assumed))


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """One message of the contract as OCPI's versions say it."""

    name: str
    message: type[Message]
    rows: tuple[Row, ...]
    gaps: tuple[Gap, ...] = ()
