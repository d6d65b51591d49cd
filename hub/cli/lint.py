"""`roamhub lint`: what is odd about a tariff, before it prices anything. Needs no hub."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from hub.cli.documents import read_document, read_objects, unusable
from hub.cli.failures import Exit
from hub.cli.options import commands
from hub.cli.output import harmless, print_json
from hub.domain.errors import Invalid
from hub.domain.rating.json_fields import parse_version
from hub.domain.rating.json_reader import as_object
from hub.domain.rating.json_tariff import parse_tariff
from hub.domain.rating.lint import CODES, Finding, Severity, lint
from hub.domain.rating.policy import POLICIES, ROAMHUB_2026, PricingPolicy, policy_named
from hub.domain.tariffs import OcpiVersion

app = commands()

File = Annotated[
    Path, typer.Argument(help="A tariff, a JSON array of them, or one a line; .gz is unpacked; - is stdin.")
]
Least = Annotated[Severity, typer.Option("--severity", help="Show findings from this severity up.")]
Ocpi = Annotated[str | None, typer.Option("--ocpi", help="2.1.1, 2.2.1 or 2.3.0. Without it, the fields tell.")]
Policy = Annotated[str, typer.Option("--policy", help=f"How open points of OCPI are read: {', '.join(POLICIES)}.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Linted:
    """One tariff of the file: where it stands, its id if it has one, what was found."""

    place: str
    id: str
    findings: tuple[Finding, ...]


@app.callback()
def _group() -> None:
    """Find what is odd about OCPI objects, offline."""


@app.command()
def tariff(
    *,
    file: File,
    severity: Least = Severity.WARNING,
    ocpi: Ocpi = None,
    policy: Policy = ROAMHUB_2026.name,
    as_json: Json = False,
) -> None:
    """Find unreachable elements, gaps in the week, contradictory restrictions, missing power and VAT oddities.

    Exit code 0: no finding of that severity. 1: there are some. 2: nothing could be read.
    """
    try:
        reading = policy_named(policy)
        version = None if ocpi is None else parse_version(ocpi)
        results = list(_lint_all(read_document(file, "tariff"), version, reading))
    except Invalid as error:
        raise unusable(error) from None
    wanted = list(Severity)[: list(Severity).index(severity) + 1]
    shown = [
        _Linted(place=result.place, id=result.id, findings=tuple(f for f in result.findings if f.severity in wanted))
        for result in results
    ]
    if as_json:
        print_json(_as_json(shown))
    else:
        typer.echo("\n".join(map(harmless, _as_text(shown))))
    raise typer.Exit(Exit.NO if any(result.findings for result in shown) else Exit.OK)


def _lint_all(content: bytes, version: OcpiVersion | None, policy: PricingPolicy) -> Iterator[_Linted]:
    """Yield a result per tariff; one that cannot be used is a finding where there are others."""
    objects = list(read_objects(content, "tariff"))
    for place, raw in objects:
        try:
            if isinstance(raw, Invalid):
                raise raw
            parsed = parse_tariff(as_object(raw, place), version, path="")
        except Invalid as error:
            if len(objects) == 1:
                raise
            found = tuple(Finding(code="unusable", field=v.field, message=v.rule) for v in error.violations)
            identity = raw.get("id") if isinstance(raw, dict) else None
            yield _Linted(place=place, id=str(identity or ""), findings=found)
        else:
            findings = lint(parsed.tariff, parsed.remarks, policy)
            yield _Linted(place=place, id=parsed.tariff.id, findings=findings)


def _as_json(results: list[_Linted]) -> dict[str, object]:
    return {
        "tariffs": len(results),
        "counts": _counts(results),
        "findings": [
            {
                "tariff_id": result.id,
                "place": result.place,
                "code": finding.code,
                "severity": finding.severity.value,
                "field": finding.field,
                "message": finding.message,
            }
            for result in results
            for finding in result.findings
        ],
    }


def _as_text(results: list[_Linted]) -> Iterator[str]:
    for result in results:
        if not result.findings:
            continue
        yield f"{result.id or '(no id)'} ({result.place})"
        for finding in result.findings:
            yield f"  {finding.severity.value:<7}  {finding.code}  {finding.field}: {finding.message}"
    with_findings = sum(bool(result.findings) for result in results)
    noun = "tariff" if len(results) == 1 else "tariffs"
    yield f"{len(results)} {noun}, {with_findings} with findings"
    for code, count in _counts(results).items():
        yield f"  {CODES[code].value:<7}  {code}: {count}"


def _counts(results: list[_Linted]) -> dict[str, int]:
    """Return how many tariffs have each finding, the worst and most frequent first."""
    counter = Counter(code for result in results for code in {finding.code for finding in result.findings})
    order = list(Severity)
    return dict(sorted(counter.items(), key=lambda item: (order.index(CODES[item[0]]), -item[1], item[0])))
