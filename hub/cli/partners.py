"""`roamhub partner`: invite platforms, see who takes part, shut somebody out."""

import json as json_text
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.cli.failures import Failure
from hub.cli.options import ActAs, ConfigFile, Json, MaybeActAs, call, commands, hub_channel, pages
from hub.cli.output import as_dict, moment, print_fields, print_json, print_table, word

if TYPE_CHECKING:
    from roamhub.v1.admin_pb2 import InvitedParty

app = commands()

Platform = Annotated[str, typer.Argument(help="The platform, such as acme or platforms/acme.")]


@app.callback()
def _group() -> None:
    """Invite partners, see who takes part and how well, shut somebody out."""


@app.command()
def invite(
    platform: Annotated[str, typer.Argument(help="The platform's id, such as acme.")],
    party: Annotated[
        list[str] | None,
        typer.Option(
            "--party", help="A party it will operate, such as NL-ABC:CPO or DE-XYZ:CPO,EMSP. Repeat for more."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=30, help="How long the code can be used.")] = 7,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the invitation to this file (mode 0600), not to the screen.")
    ] = None,
    config: ConfigFile = None,
    json: Json = False,
) -> None:
    """Invite a platform to register.

    The invitation holds the one-time code, where to register and the hub's CA certificate, and is what the partner's
    SDK reads. The hub keeps only the code's hash: a lost invitation cannot be shown again, only replaced.
    """
    from google.protobuf.duration_pb2 import Duration
    from roamhub.v1.admin_pb2 import CreateInvitationRequest, Invitation
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    wanted = Invitation(platform_id=platform, parties=[_invited(text) for text in party or ()])
    with hub_channel(config) as channel:
        request = CreateInvitationRequest(invitation=wanted, ttl=Duration(seconds=days * 86_400))
        made = call(AdminServiceStub(channel).CreateInvitation, request)
    document = {
        "platform": f"platforms/{platform}",
        "code": made.code,
        "register_endpoint": made.register_endpoint,
        "ca_pem": made.ca_pem,
        "expire_time": moment(made.expire_time),
    }
    if out is not None:
        from adapters.partner.credentials import write_private

        write_private(out, json_text.dumps(document, indent=2).encode() + b"\n")
        # Who has it written to a file has reason not to show the code: logs of scripts keep what is printed.
        about = {"name": made.name, "platform": document["platform"], "expire_time": document["expire_time"]}
        if json:
            print_json(about | {"file": str(out)})
        else:
            print(f"invitation for {platform} written to {out}, good until {document['expire_time']}")
    elif json:
        print_json({"name": made.name} | document)
    else:
        print_fields({name: value for name, value in document.items() if name != "ca_pem"})
        print("\nHand it over by a way that nobody can tamper with; --out FILE writes what the partner's SDK reads.")


def _invited(text: str) -> "InvitedParty":
    from roamhub.v1.admin_pb2 import InvitedParty
    from roamhub.v1.party_pb2 import PartyRole

    from adapters.partner.partner import party

    name, _, roles = text.partition(":")
    try:
        key = party(name)
        numbers = [PartyRole.Value(f"PARTY_ROLE_{role.strip().upper()}") for role in roles.split(",")]
    except ValueError:
        raise Failure(f"--party {text}: write a party and its roles like NL-ABC:CPO or DE-XYZ:CPO,EMSP") from None
    return InvitedParty(country_code=key.country_code, party_id=key.party_id, roles=numbers)


@app.command("list")
def list_(config: ConfigFile = None, json: Json = False) -> None:
    """List platforms, their parties, and whether these can be reached."""
    from roamhub.v1.admin_pb2 import ListPlatformsRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub
    from roamhub.v1.party_pb2 import PartyRole, Presence

    with hub_channel(config) as channel:
        platforms = list(pages(AdminServiceStub(channel).ListPlatforms, ListPlatformsRequest(), "platforms"))
    if json:
        print_json([as_dict(platform) for platform in platforms])
        return
    rows = [
        (
            platform.name.removeprefix("platforms/"),
            f"{party.country_code}-{party.party_id}",
            ",".join(word(PartyRole, role) for role in party.roles),
            word(Presence, party.presence),
            party.endpoint or "link",
            moment(platform.certificate_expire_time) or "none",
        )
        for platform in platforms
        for party in platform.parties
    ]
    print_table(("PLATFORM", "PARTY", "ROLES", "PRESENCE", "REACHED BY", "CERTIFICATE UNTIL"), rows)


@app.command()
def quality(
    party: Annotated[
        str | None, typer.Argument(help="The party, such as NL-ABC; every CPO and eMSP without it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days up to now.")] = 30,
    counterparty: Annotated[
        str | None, typer.Option("--with", metavar="PARTY", help="Only what it does with this party.")
    ] = None,
    config: ConfigFile = None,
    act_as: MaybeActAs = None,
    json: Json = False,
) -> None:
    """Show how good what a party reports is: a score from 0 to 100, what it is made of, and what to mend."""
    from hub.cli import quality as shown

    with hub_channel(config, act_as) as channel:
        if party is None:
            found = [shown.of(channel, each, days, counterparty) for each in shown.everyone(channel)]
        else:
            found = [shown.of(channel, party, days, counterparty)]
    if json:
        print_json([as_dict(each) for each in found] if party is None else as_dict(found[0]))
    elif party is None:
        shown.print_scores(found)
    else:
        shown.print_one(found[0])


@app.command()
def revoke(platform: Platform, config: ConfigFile = None, json: Json = False) -> None:
    """Shut a platform out: its certificates, invitations and parties stop working with the next call."""
    from roamhub.v1.admin_pb2 import RevokePlatformRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    name = platform if platform.startswith("platforms/") else f"platforms/{platform}"
    with hub_channel(config) as channel:
        revoked = call(AdminServiceStub(channel).RevokePlatform, RevokePlatformRequest(name=name))
    if json:
        print_json(as_dict(revoked))
    else:
        print(f"{name} is shut out; a new invitation and `roamhub partner resume` let it in again")


PartyName = Annotated[str, typer.Argument(metavar="PARTY", help="The party, such as NL-ABC.")]


@app.command()
def suspend(party: PartyName, config: ConfigFile = None, json: Json = False) -> None:
    """Hold one party back until it is resumed: it may not call and is not called; what began before is settled."""
    from roamhub.v1.admin_pb2 import SuspendPartyRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    with hub_channel(config) as channel:
        held = call(AdminServiceStub(channel).SuspendParty, SuspendPartyRequest(name=_party_name(party)))
    if json:
        print_json(as_dict(held))
    else:
        print(f"{party} is suspended until `roamhub partner resume {party}`")


@app.command()
def resume(party: PartyName, config: ConfigFile = None, json: Json = False) -> None:
    """Let a suspended party take part again."""
    from roamhub.v1.admin_pb2 import ResumePartyRequest
    from roamhub.v1.admin_pb2_grpc import AdminServiceStub

    with hub_channel(config) as channel:
        resumed = call(AdminServiceStub(channel).ResumeParty, ResumePartyRequest(name=_party_name(party)))
    if json:
        print_json(as_dict(resumed))
    else:
        print(f"{party} takes part again")


def _party_name(party: str) -> str:
    """Return the resource name of a party, as people write it or as the hub does."""
    return f"parties/{party.lower().removeprefix('parties/')}"


@app.command()
def register(
    invitation: Annotated[Path, typer.Argument(help="The file that `partner invite --out` wrote.")],
    act_as: ActAs,
    json: Json = False,
) -> None:
    """Register with an invitation, as the partner: makes a key in DIR and gets its certificate."""
    import asyncio

    from adapters.partner.credentials import Store
    from adapters.partner.registration import Invitation, register

    try:
        given = Invitation.read(invitation)
    except ValueError as error:
        raise Failure(str(error)) from None
    credentials = asyncio.run(register(given, Store(act_as)))
    about = {
        "platform": f"platforms/{credentials.platform}",
        "hub": credentials.hub,
        "certificate_until": credentials.certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if json:
        print_json(about)
    else:
        print_fields(about)
