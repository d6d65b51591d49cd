"""The statement: what one party owes another for a period, as a document that is signed and never changes.

Its bytes are canonical JSON; its id is their SHA-256. It names everything that its totals follow from: the range of
journal indexes, the tree before and after, the rounding profile, the tax rows. `check_totals` recomputes every total
from the lines, `check_items` every line from the items that the tree proves.
"""

from hub.domain.statements.compute import (
    WrongTotals,
    check_items,
    check_once,
    check_totals,
    make_manifest,
    make_statement,
)
from hub.domain.statements.document import FORMAT, parse_statement, statement_bytes
from hub.domain.statements.model import (
    BroughtForward,
    Held,
    Manifest,
    PeriodTerms,
    Side,
    Statement,
    StatementTerms,
    Totals,
    TreeHead,
)

__all__ = [
    "FORMAT",
    "BroughtForward",
    "Held",
    "Manifest",
    "PeriodTerms",
    "Side",
    "Statement",
    "StatementTerms",
    "Totals",
    "TreeHead",
    "WrongTotals",
    "check_items",
    "check_once",
    "check_totals",
    "make_manifest",
    "make_statement",
    "parse_statement",
    "statement_bytes",
]
