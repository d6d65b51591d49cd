"""What `roamhub partner quality` asks and prints."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from hub.cli.failures import Failure
from hub.cli.options import call, pages
from hub.cli.output import moment, print_fields, print_table, word

if TYPE_CHECKING:
    import grpc
    from roamhub.v1.common_pb2 import PartyKey
    from roamhub.v1.party_pb2 import PartyQuality

#: What a component is about, for people.
_ABOUT = {
    "FIRST_PASS": "charges accepted on receipt",
    "CLEAN": "of these, without a warning",
    "PUNCTUAL": "CDRs within a day (a week: half)",
    "COMPLETE": "ended sessions with a CDR",
    "FINAL": "charges, less ten for each credit",
    "RESPONSIVE": "relayed requests answered in time",
}
#: The longest that figures of a year of a large party take.
_SECONDS = 120.0


def everyone(channel: "grpc.Channel") -> Iterator[str]:
    """Yield every CPO and eMSP there is."""
    from roamhub.v1.party_pb2 import PARTY_ROLE_CPO, PARTY_ROLE_EMSP, ListPartiesRequest
    from roamhub.v1.party_pb2_grpc import PartyServiceStub

    for party in pages(PartyServiceStub(channel).ListParties, ListPartiesRequest(), "parties"):
        if {PARTY_ROLE_CPO, PARTY_ROLE_EMSP} & set(party.roles):
            yield f"{party.country_code}-{party.party_id}"


def of(channel: "grpc.Channel", party: str, days: int, counterparty: str | None) -> "PartyQuality":
    """Return the figures of a party."""
    from roamhub.v1.party_pb2 import GetPartyQualityRequest
    from roamhub.v1.party_pb2_grpc import PartyServiceStub

    name = f"parties/{_key(party).country_code}-{_key(party).party_id}".lower()
    request = GetPartyQualityRequest(name=name, days=days)
    if counterparty is not None:
        request.counterparty.CopyFrom(_key(counterparty))
    return call(PartyServiceStub(channel).GetPartyQuality, request, seconds=_SECONDS)


def _key(text: str) -> "PartyKey":
    from adapters.partner.partner import party

    try:
        return party(text)
    except ValueError:
        raise Failure(f"{text}: write a party like NL-ABC") from None


def print_scores(found: "list[PartyQuality]") -> None:
    """Print one line for each party, the lowest score first, those without one last."""
    rows = sorted(found, key=lambda each: (not each.HasField("score"), float(each.score.value or 0), each.name))
    print_table(
        ("PARTY", "SCORE", "CHARGES", "AT ONCE", "RETURNED", "CREDITS", "P90 LATE", "GAPS", "ANSWERED"),
        [
            (
                _party(each),
                _score(each),
                each.charge_count,
                each.accepted_at_once_count,
                each.returned_count + each.resubmitted_count + each.withdrawn_count,
                each.credit_count,
                _span(each.lateness_p90.ToTimedelta()) if each.HasField("lateness_p90") else "",
                each.session_without_cdr_count,
                f"{each.answered_count}/{each.relayed_count}",
            )
            for each in rows
        ],
        right=(1, 2, 3, 4, 5, 6, 7, 8),
    )
    if any(each.scarce and each.HasField("score") for each in found):
        print("(few) means fewer than 20 charges and relayed requests: the score says little")


def print_one(found: "PartyQuality") -> None:
    """Print everything about one party."""
    from roamhub.v1.party_pb2 import PartyQuality

    other = found.counterparty
    print_fields(
        {
            "party": _party(found),
            "with": f"{other.country_code}-{other.party_id}" if found.HasField("counterparty") else "everybody",
            "from": moment(found.start_time),
            "to": moment(found.end_time),
            "score": _score(found),
        }
    )
    print()
    rows = [
        (
            word(PartyQuality.Component.Kind, part.kind),
            part.points.value,
            part.weight,
            f"{part.good.value} of {part.total}",
            _ABOUT.get(word(PartyQuality.Component.Kind, part.kind), ""),
        )
        for part in found.components
    ]
    print_table(("COMPONENT", "POINTS", "WEIGHT", "COUNTS", "WHAT"), rows, right=(1, 2, 3))
    print()
    print_fields(
        {
            "charges": f"{found.charge_count}: {found.accepted_at_once_count} accepted on receipt "
            f"({found.warned_count} with warnings), {found.accepted_later_count} later; "
            f"{found.returned_count} returned, {found.quarantined_count} quarantined, "
            f"{found.resubmitted_count} replaced, {found.withdrawn_count} withdrawn",
            "credits": found.credit_count,
            "late": f"half within {_span(found.lateness_median.ToTimedelta())}, "
            f"9 of 10 within {_span(found.lateness_p90.ToTimedelta())}"
            if found.HasField("lateness_p90")
            else "",
            "gaps": f"{found.session_without_cdr_count} of {found.session_count} sessions without CDR, "
            f"{found.cdr_without_session_count} CDRs without session, "
            f"{found.authorization_without_session_count} authorizations without session",
            "relayed": f"{found.relayed_count} requests, {found.answered_count} answered in time",
        }
    )
    if found.checks:
        print()
        checks = [(check.code, check.error_count, check.warning_count) for check in found.checks]
        checks.sort(key=lambda each: (-each[1], -each[2], each[0]))
        print_table(("CHECK", "ERRORS", "WARNINGS"), checks, right=(1, 2))


def _party(found: "PartyQuality") -> str:
    return found.name.removeprefix("parties/").upper()


def _score(found: "PartyQuality") -> str:
    if not found.HasField("score"):
        return "none"
    return f"{found.score.value}{' (few)' if found.scarce else ''}"


def _span(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2_880 else f"{minutes // 1_440} d {minutes % 1_440 // 60} h"
