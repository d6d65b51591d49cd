"""The acknowledgement: what a party says to a statement, as a document of its own.

A second signature on the statement could not say whether it accepts. An acknowledgement names the statement by its
digest and carries a decision; it is signed by the party, or by the hub where the party only said so over its
authenticated connection.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hub.domain.canonical import Fields, MalformedDocument, dump, expect_format, load
from hub.domain.clearing.items import parse_party
from hub.domain.ids import PartyId
from hub.domain.statements.document import parse_time, time_text

FORMAT = "roamhub.acknowledgement.v1"
REASONS_MAX = 100
TEXT_MAX = 1_000

_DIGEST = re.compile(r"[0-9a-f]{64}")
_CODE = re.compile(r"[A-Z][A-Z0-9_]{0,62}")


class Decision(StrEnum):
    """What the party says."""

    ACCEPT = "ACCEPT"
    ACCEPT_EXCEPT = "ACCEPT_EXCEPT"
    REJECT = "REJECT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why: a code for machines, and a text for people."""

    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """One party's answer to one statement.

    Attributes:
        statement: SHA-256 of the statement's bytes.
        party: Who answers.
        decision: The answer.
        lines: Numbers of the lines that are not accepted, ascending; only with ACCEPT_EXCEPT.
        reasons: At least one, unless all is accepted.
        time: When, in UTC.
    """

    statement: str
    party: PartyId
    decision: Decision
    lines: tuple[int, ...]
    reasons: tuple[Reason, ...]
    time: datetime

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.statement):
            raise ValueError("a statement is named by its SHA-256")
        if bool(self.lines) != (self.decision is Decision.ACCEPT_EXCEPT):
            raise ValueError("lines are named when all but they are accepted, and only then")
        if list(self.lines) != sorted(set(self.lines)) or any(line < 1 for line in self.lines):
            raise ValueError("line numbers ascend from 1")
        if not self.reasons and self.decision is not Decision.ACCEPT:
            raise ValueError("what is not accepted has a reason")
        if len(self.reasons) > REASONS_MAX:
            raise ValueError(f"at most {REASONS_MAX} reasons")
        for reason in self.reasons:
            if not _CODE.fullmatch(reason.code) or len(reason.text) > TEXT_MAX:
                raise ValueError(f"a reason is a code in capitals and a text of at most {TEXT_MAX} characters")

    def to_bytes(self) -> bytes:
        """Return the document that is signed."""
        return dump(
            {
                "format": FORMAT,
                "statement": self.statement,
                "party": str(self.party),
                "decision": str(self.decision),
                "lines": list(self.lines),
                "reasons": [{"code": reason.code, "text": reason.text} for reason in self.reasons],
                "time": time_text(self.time),
            }
        )

    @classmethod
    def from_bytes(cls, document: bytes) -> "Acknowledgement":
        """Read the document.

        Raises:
            MalformedDocument: It is not what `to_bytes` writes.
        """
        fields = Fields(load(document))
        expect_format(fields, FORMAT)
        try:
            acknowledgement = cls(
                statement=fields.text("statement"),
                party=parse_party(fields.text("party")),
                decision=Decision(fields.text("decision")),
                lines=tuple(fields.integers("lines")),
                reasons=tuple(_reason(reason) for reason in fields.objects("reasons")),
                time=parse_time(fields.text("time")),
            )
        except MalformedDocument:
            raise
        except ValueError as error:
            raise MalformedDocument(str(error)) from None
        fields.end()
        return acknowledgement


def _reason(fields: Fields) -> Reason:
    reason = Reason(code=fields.text("code"), text=fields.text("text"))
    fields.end()
    return reason
