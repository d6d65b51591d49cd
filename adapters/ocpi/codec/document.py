"""Writes `docs/ocpi-mapping.md` from the tables: `python -m adapters.ocpi.codec.document > docs/ocpi-mapping.md`."""

import sys
from collections.abc import Iterator
from typing import Any

from adapters.ocpi.codec import TABLES
from adapters.ocpi.codec.enums import ClosedWord, OpenWord, Words
from adapters.ocpi.codec.tables import Bridge, Nested, Row, Table
from adapters.ocpi.codec.words import ALL

_HEAD = """# How OCPI maps to the contract

Written by `python -m adapters.ocpi.codec.document` from the tables that drive the codec; a test compares it with them,
and the tables with the specification's own lists. The contract's fields are in `protos/roamhub/v1/*_object.proto` and
`common.proto`.

- A cell under a version is OCPI's type and cardinality there; empty: that version has no such field.
- What a peer sends and no field here holds goes to the `extensions` of the message it was sent in, verbatim, and comes
  out again in every version.
- A value that breaks a rule but has a plain meaning (a number sent as a string, a word in small letters, a text that is
  too long) is mapped and reported. One without a meaning (an unknown word of a closed enum, a list that holds something
  else) is reported and kept in `extensions`, its field unset. A required field that is missing is reported.
- `null` and an empty list mean absent. Times without a zone are UTC; they are written with `Z` and as many decimals as
  they have (none, 3, 6 or 9).
- Numbers keep their text. Writing a version that cannot say something reports each loss with its path.
- Open enums are text in the contract: unknown words survive. Closed ones are enums.
"""


def all_tables() -> list[Table]:
    """Return every table, each before those that it nests for the first time."""
    found: dict[int, Table] = {}

    def visit(table: Table) -> None:
        if id(table) not in found:
            found[id(table)] = table
            for row in table.rows:
                if isinstance(row.kind, Nested):
                    visit(row.kind.table)
                if isinstance(row.kind, Bridge) and row.kind.table is not None:
                    visit(row.kind.table)

    for table in TABLES.values():
        visit(table)
    return list(found.values())


def all_words() -> dict[str, tuple[Words, bool]]:
    """Return every enum by its name, and whether the contract has it as an enum."""
    kinds = [row.kind for table in all_tables() for row in table.rows]
    pairs = [(kind.words, isinstance(kind, ClosedWord)) for kind in kinds if isinstance(kind, ClosedWord | OpenWord)]
    return {words.name: (words, is_closed) for words, is_closed in sorted(pairs, key=lambda pair: pair[0].name)}


def _proto_type(field: Any) -> str:  # noqa: ANN401 - a descriptor, of protobuf's pure or compiled kind
    if field.message_type is not None:
        name = field.message_type.name
    elif field.enum_type is not None:
        name = field.enum_type.name
    else:
        name = {field.TYPE_STRING: "string", field.TYPE_BOOL: "bool", field.TYPE_INT32: "int32"}[field.type]
        if field.has_presence:
            name = f"optional {name}"
    return f"repeated {name}" if field.is_repeated else name


def _ours(table: Table, row: Row) -> str:
    if isinstance(row.kind, Bridge):
        return row.ours
    return f"`{row.target}` {_proto_type(table.message.DESCRIPTOR.fields_by_name[row.target])}"


def _table(table: Table) -> Iterator[str]:
    yield f"\n## {table.name}: `{table.message.DESCRIPTOR.name}`\n"
    yield f"| OCPI | {' | '.join(ALL)} | ours |"
    yield "|---" * (len(ALL) + 2) + "|"
    for name in dict.fromkeys(row.ocpi for row in table.rows):
        rows = [row for row in table.rows if row.ocpi == name]
        cells = []
        for version in ALL:
            said = [row for row in rows if version in row.versions]
            cells.append(f"{said[0].kind.label(version)} {said[0].card}" if said else "")
        ours = "; ".join(dict.fromkeys(_ours(table, row) for row in rows))
        yield f"| {name} | {' | '.join(cells)} | {ours} |"
    for gap in table.gaps:
        yield f"\nNot in {', '.join(gap.versions)}: `{gap.ours}` ({gap.rule})."


def _words() -> Iterator[str]:
    yield "\n## Enums\n"
    yield "| OCPI | ours | 2.1.1 | 2.2.1 adds | 2.3.0 adds |"
    yield "|---|---|---|---|---|"
    for name, (words, is_closed) in all_words().items():
        cells, before = [], tuple[str, ...]()
        for version in ALL:
            known = words.known.get(version, ())
            gone = " ".join(word for word in before if word not in known)
            text = " ".join(word for word in known if word not in before)
            cells.append(f"{text} (without {gone})" if gone and known else text)
            before = known
        yield f"| {name} | {'enum' if is_closed else 'text'} | {' | '.join(cells)} |"


def document() -> str:
    """Return the whole document."""
    lines = [_HEAD.rstrip("\n")]
    for table in all_tables():
        lines.extend(_table(table))
    lines.extend(_words())
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
