"""A statement for people and spreadsheets, rendered from the signed document and naming its digest.

The renderings follow from the statement and the CDRs alone, so a verifier renders them again and compares. They are
part of the bundle's format: a change here is a new format.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from html import escape

from hub.domain.clearing.amounts import e4_text, minor_text
from hub.domain.clearing.items import ClearingItem
from hub.domain.statements.document import time_text
from hub.domain.statements.model import Statement

_STYLE = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2.5em auto;max-width:62em;padding:0 1em;color:#1b1f24}"
    "h1{font-size:1.5em}h2{font-size:1.1em;margin-top:1.8em}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.3em .6em;border-bottom:1px solid #d7dbe0}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.2em}dt{color:#57606a}dd{margin:0}"
    "code{font-size:.85em;overflow-wrap:anywhere}tr.total td{font-weight:600}"
)

_FOOT = (
    "This page is a rendering. What counts is the signed statement with the digest above; "
    "<code>roamhub verify</code> checks both."
)


def render(statement: Statement, items: Iterable[tuple[int, ClearingItem]], digest: str) -> dict[str, bytes]:
    """Return the readable files of a bundle by name; items come with their journal indexes, in order."""
    return {
        "statement.csv": statement_csv(statement, digest),
        "cdrs.csv": cdrs_csv(items, digest),
        "statement.html": statement_html(statement, digest),
    }


def statement_csv(statement: Statement, digest: str) -> bytes:
    """Return the lines as CSV (RFC 4180), the statement's digest on each."""
    currency = statement.terms.currency
    rows = [
        (
            *(digest, number, line.key.country, line.key.tariff_kind, line.key.tax_category, line.key.tax_rate),
            *(line.key.month, line.cdr_count, line.credit_count, line.late_count, e4_text(line.energy)),
            *(e4_text(line.exact), minor_text(line.net, currency), currency),
        )
        for number, line in enumerate(statement.lines, start=1)
    ]
    head = (
        *("statement", "number", "country", "tariff_kind", "tax_category", "tax_rate"),
        *("month", "cdr_count", "credit_count", "late_count", "energy_kwh"),
        *("exact", "net", "currency"),
    )
    return _csv(head, rows)


def cdrs_csv(items: Iterable[tuple[int, ClearingItem]], digest: str) -> bytes:
    """Return the CDRs as CSV, the statement's digest on each; items come with their journal indexes."""
    rows = [
        (
            *(digest, index, _plain(item.cdr), item.country, item.tariff_kind, item.tax_date.isoformat()),
            *(e4_text(item.energy), e4_text(item.amount), item.currency, _plain(item.credit_of)),
        )
        for index, item in items
    ]
    head = (
        *("statement", "journal_index", "cdr", "country", "tariff_kind", "tax_date"),
        *("energy_kwh", "amount", "currency", "credit_of"),
    )
    return _csv(head, rows)


def _plain(text: str) -> str:
    """Return a partner's text so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue().encode()


def statement_html(statement: Statement, digest: str) -> bytes:
    """Return the statement as one self-contained HTML page."""
    terms, currency = statement.terms, statement.terms.currency
    facts = [
        ("Creditor", f"{terms.creditor.party}"),
        ("Debtor", f"{terms.debtor.party}"),
        ("Agreement", f"{terms.agreement}, version {terms.agreement_version}"),
        ("Period", f"{terms.period.name} ({terms.period.cycle.lower()}, {terms.period.time_zone})"),
        ("From", time_text(terms.period.start_time)),
        ("To", time_text(terms.period.end_time)),
        ("CDRs", f"{statement.manifest.count}"),
        ("Rounding", f"{terms.rounding}, a half away from zero"),
    ]
    proof = [
        ("Statement (SHA-256)", digest),
        ("Journal", terms.hub),
        ("Journal entries", f"from {terms.period.first_index} to before {terms.period.end_index}"),
        ("Tree before", f"{terms.before.size} {terms.before.root.hex()}"),
        ("Tree after", f"{terms.after.size} {terms.after.root.hex()}"),
        ("Manifest (SHA-256)", statement.manifest.sha256),
        ("Tax table (SHA-256)", terms.tax_table),
    ]
    page = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta name="roamhub-statement" content="{escape(digest)}">',
        f"<title>Statement {escape(terms.name)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Settlement statement</h1>{_facts(facts)}",
        "<h2>Lines</h2>",
        _lines(statement, currency),
        "<h2>Taxes</h2>",
        _table(
            ("Category", "Rate %", "Taxable", "Tax", "Note"),
            [
                (
                    each.category,
                    each.rate,
                    minor_text(each.taxable, currency),
                    minor_text(each.tax, currency),
                    each.note,
                )
                for each in statement.taxes
            ],
            numeric={1, 2, 3},
        ),
        "<h2>Totals</h2>",
        _totals(statement, currency),
        f"<h2>Proof</h2>{_facts(proof)}",
        f"<p>{_FOOT}</p></body></html>\n",
    ]
    return "\n".join(page).encode()


def _lines(statement: Statement, currency: str) -> str:
    head = ("No.", "Country", "Tariff", "Tax", "Month", "CDRs", "Credits", "Late", "kWh", "Exact", currency)
    rows = [
        (
            *(str(number), line.key.country, line.key.tariff_kind),
            f"{line.key.tax_category} {line.key.tax_rate} %",
            *(line.key.month, str(line.cdr_count), str(line.credit_count), str(line.late_count)),
            *(e4_text(line.energy), e4_text(line.exact), minor_text(line.net, currency)),
        )
        for number, line in enumerate(statement.lines, start=1)
    ]
    return _table(head, rows, numeric=set(range(5, 11)))


def _totals(statement: Statement, currency: str) -> str:
    totals = statement.totals
    rows = [
        ("Net", totals.net),
        ("Tax", totals.tax),
        ("Gross", totals.gross),
        ("Held", -totals.held),
        ("Brought forward", totals.brought_forward),
        (f"Payable by {statement.terms.debtor.party}", totals.payable),
    ]
    return _table(
        ("", currency), [(name, minor_text(amount, currency)) for name, amount in rows], numeric={1}, last_is_total=True
    )


def _facts(facts: Iterable[tuple[str, str]]) -> str:
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts) + "</dl>"


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: set[int], last_is_total: bool = False
) -> str:
    def cells(tag: str, values: Sequence[str]) -> str:
        classes = ('class="n"' if at in numeric else "" for at in range(len(values)))
        return "".join(
            f"<{f'{tag} {kind}'.strip()}>{escape(value)}</{tag}>" for kind, value in zip(classes, values, strict=True)
        )

    total = len(rows) - 1 if last_is_total else -1
    body = [
        f"<{'tr class=total' if number == total else 'tr'}>{cells('td', row)}</tr>" for number, row in enumerate(rows)
    ]
    return "<table><thead><tr>" + cells("th", head) + "</tr></thead><tbody>\n" + "\n".join(body) + "\n</tbody></table>"
