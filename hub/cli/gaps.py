"""`roamhub gaps`: what should be on record and is not."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.arguments import read_instant, read_party
from hub.cli.failures import Failure
from hub.cli.options import ConfigFile, Json, MaybeActAs, call, hub_channel, pages
from hub.cli.output import as_dict, moment, print_json, print_table, word

if TYPE_CHECKING:
    import grpc
    from roamhub.v1.clearing_pb2 import Gap, GapFilter, SummarizeGapsResponse
    from roamhub.v1.common_pb2 import PartyKey

#: What people call the kinds, and what the contract does.
_KINDS = {
    "sessions": "KIND_SESSION_WITHOUT_CDR",
    "cdrs": "KIND_CDR_WITHOUT_SESSION",
    "authorizations": "KIND_AUTHORIZATION_WITHOUT_SESSION",
    "silent": "KIND_SESSION_WITHOUT_END",
}
_WORDS = {
    "KIND_SESSION_WITHOUT_CDR": "sessions without CDR",
    "KIND_CDR_WITHOUT_SESSION": "CDRs without session",
    "KIND_AUTHORIZATION_WITHOUT_SESSION": "authorizations without session",
    "KIND_SESSION_WITHOUT_END": "sessions without end",
}

Counts = list[tuple[str, int, str]]


def gaps(
    agreement: Annotated[str, typer.Option(help="Only this agreement's, such as agreements/0190...")] = "agreements/-",
    party: Annotated[
        str | None, typer.Option(help="Only those with this party on either side, such as NL-ABC.")
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(help="Only sessions, cdrs, authorizations or silent ones. Repeat for more.")
    ] = None,
    older_than: Annotated[
        int | None, typer.Option("--older-than", min=0, metavar="HOURS", help="Only those so old; 24 unless told.")
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Only those since then, such as 2026-10-01.")
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only those since before then, such as 2026-11-01T00:00:00Z.")
    ] = None,
    count: Annotated[bool, typer.Option("--summary", help="Count them only.")] = False,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """List what should be on record and is not: sessions without a CDR, CDRs without a session, unused authorizations.

    Silent ones are sessions that were never reported to be over. The oldest of each kind come first. Exit code 0,
    whether there are any or not.
    """
    from roamhub.v1.clearing_pb2 import ListGapsRequest, SummarizeGapsRequest
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    wanted = _filter(party, kind or [], older_than, start, before)
    with hub_channel(config, act_as) as channel:
        stub = ClearingServiceStub(channel)
        if count:
            counted = call(stub.SummarizeGaps, SummarizeGapsRequest(parent=agreement, filter=wanted), seconds=120)
            if json:
                print_json(as_dict(counted))
            else:
                print_table(("MISSING", "GAPS", "OLDEST"), _counts(counted), right=(1,))
            return
        found = list(pages(stub.ListGaps, ListGapsRequest(parent=agreement, filter=wanted), "gaps"))
    if json:
        print_json([as_dict(gap) for gap in found])
    else:
        _print(found)


def summary(channel: "grpc.Channel", agreement: str) -> Counts:
    """Return how many gaps of each kind an agreement has, and since when; without the kinds that have none."""
    from roamhub.v1.clearing_pb2 import SummarizeGapsRequest
    from roamhub.v1.clearing_pb2_grpc import ClearingServiceStub

    request = SummarizeGapsRequest(parent=agreement)
    counted = call(ClearingServiceStub(channel).SummarizeGaps, request, seconds=120)
    return [each for each in _counts(counted) if each[1]]


def warn(counts: Counts, agreement: str = "") -> None:
    """Say on standard error what is missing; nothing when nothing is."""
    if counts:
        said = ", ".join(f"{number} {what} (oldest {oldest})" for what, number, oldest in counts)
        print(f"open gaps{f' of {agreement}' if agreement else ''}: {said}; see `roamhub gaps`", file=sys.stderr)


def _counts(counted: "SummarizeGapsResponse") -> Counts:
    from roamhub.v1.clearing_pb2 import Gap

    return [(_WORDS[Gap.Kind.Name(each.kind)], each.gap_count, moment(each.oldest_time)) for each in counted.kinds]


def _filter(
    party: str | None, kinds: list[str], older_than: int | None, start: str | None, before: str | None
) -> "GapFilter":
    from google.protobuf.duration_pb2 import Duration
    from roamhub.v1.clearing_pb2 import Gap, GapFilter

    made = GapFilter()
    if party is not None:
        made.party.CopyFrom(read_party("--party", party))
    for kind in kinds:
        if kind not in _KINDS:
            raise Failure(f"--kind {kind}: must be one of {', '.join(_KINDS)}")
        made.kinds.append(Gap.Kind.Value(_KINDS[kind]))
    if older_than is not None:
        made.older_than.CopyFrom(Duration(seconds=older_than * 3_600))
    for option, text, field in (("--from", start, made.since_time_from), ("--before", before, made.since_time_before)):
        if text is not None:
            field.FromDatetime(read_instant(option, text))
    return made


def _print(found: "list[Gap]") -> None:
    from roamhub.v1.clearing_pb2 import Gap

    rows = [
        (
            word(Gap.Level, gap.level),
            _WORDS[Gap.Kind.Name(gap.kind)].partition(" ")[0].removesuffix("s"),
            gap.authorization_reference or gap.session_id or gap.cdr_id,
            _party(gap.cpo),
            _party(gap.emsp),
            moment(gap.since_time),
            f"{gap.age.seconds // 86_400}d {gap.age.seconds % 86_400 // 3_600}h",
            word(Gap.Reason, gap.reason) + (f" {gap.cdr_id}" if gap.session_id and gap.cdr_id else ""),
            moment(gap.deadline_time),
        )
        for gap in found
    ]
    print_table(("LEVEL", "WHAT", "ID", "CPO", "EMSP", "SINCE", "AGE", "REASON", "DEADLINE"), rows, right=(6,))
    hints = {word(Gap.Reason, gap.reason): gap.hint for gap in found}
    for reason, hint in sorted(hints.items()):
        print(f"{reason}: {hint}")


def _party(key: "PartyKey") -> str:
    return f"{key.country_code}-{key.party_id}"
