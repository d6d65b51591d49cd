"""What `roamhub cdr explain` prints for people."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from hub.cli.output import harmless, moment, print_fields, print_table, word

if TYPE_CHECKING:
    from roamhub.v1.cdr_pb2 import ExplainCdrResponse, ExplainedTariff
    from roamhub.v1.rating_object_pb2 import RatedLine, RatedSession


def tell(explained: "ExplainCdrResponse") -> None:
    """Print the verdict, the totals, our lines, and what a reader should know."""
    cdr = explained.record.cdr
    verdict = "agrees" if explained.agrees else "does not agree"
    if explained.unrated_reason:
        verdict = f"could not be rated ({explained.unrated_reason}): {explained.unrated_message}"
    print_fields(
        {
            "cdr": f"{cdr.country_code}-{cdr.party_id}/{cdr.id}",
            "claim": verdict,
            "tolerance": f"{explained.tolerance.value} {cdr.currency}",
            "policy": explained.pricing_policy,
            "time zone": explained.time_zone or "not known",
            "tariffs": "; ".join(_tariff(used) for used in explained.tariffs),
        }
    )
    print()
    print_table(("TOTAL", "CLAIMED", "OURS", "DIFFERENCE", ""), list(_totals(explained)), right=(1, 2, 3))
    if explained.HasField("rated"):
        _told(explained.rated)
    if explained.HasField("rated_expired"):
        print("\nIf the reservation had run out:")
        _told(explained.rated_expired)
    for finding in explained.record.findings:
        print(f"\n{finding.code} {harmless(f'{finding.field}: {finding.message}')}")


def _tariff(used: "ExplainedTariff") -> str:
    from roamhub.v1.cdr_pb2 import ExplainedTariff

    source = {
        ExplainedTariff.SOURCE_PUBLISHED: "as published",
        ExplainedTariff.SOURCE_EMBEDDED: "from inside the CDR, not published",
        ExplainedTariff.SOURCE_CONNECTOR: "as published for the connector; the CDR names none",
    }.get(used.source, "neither published nor in the CDR")
    return f"{used.tariff_id} ({source}{', which the one inside the CDR is not' if used.differs else ''})"


def _totals(explained: "ExplainCdrResponse") -> Iterator[tuple[str, str, str, str, str]]:
    for cost in explained.costs:
        for side in ("before_taxes", "after_taxes"):
            claimed, ours = getattr(cost.claimed, side).value, getattr(cost.rated, side).value
            if claimed or ours:
                difference = getattr(cost.difference, side).value
                mark = "" if cost.agrees or not difference else "differs"
                yield f"{cost.total} {side}", claimed, ours, difference, mark
    for volume in explained.volumes:
        if volume.claimed.value:
            yield volume.total, volume.claimed.value, volume.rated.value, volume.difference.value, ""


def _told(rated: "RatedSession") -> None:
    print()
    print_table(
        ("PERIOD", "START", "WHAT", "QUANTITY", "PRICE", "AMOUNT", "WHY"), map(_line, rated.lines), right=(3, 4, 5)
    )
    for note in rated.notes:
        print(f"\n{note.code}: {note.message}")


def _line(line: "RatedLine") -> tuple[Any, ...]:
    from roamhub.v1.rating_object_pb2 import RatedLine
    from roamhub.v1.tariff_object_pb2 import TariffDimensionType

    what = word(RatedLine.Kind, line.kind).removeprefix("KIND_")
    dimension = word(TariffDimensionType, line.dimension) if line.dimension else ""
    return (
        line.period + 1 if line.HasField("period") else "",
        moment(line.period_start_time),
        f"{what} {dimension}".strip(),
        line.quantity.value,
        line.unit_price.value,
        line.before_taxes.value or line.after_taxes.value,
        line.explanation,
    )
