"""Invitations, certificates and what follows from them, on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from hub.app.ports.uow import UnitOfWork
from hub.app.trust.invitations import InvitedParty, create_invitation, revoke_invitation
from hub.app.trust.parties import resume_party, suspend_party
from hub.app.trust.registration import Registered, register, renew
from hub.app.trust.revocation import find_platforms, revoke_certificate, revoke_platform
from hub.crypto.ca import CertificateAuthority
from hub.domain.errors import Conflict, Denied, Invalid, NotFound, Precondition
from hub.domain.journal import EntryKind, Stream
from hub.domain.parties import Party, PartyState, Role
from hub.domain.trust import CertificateRecord, Invitation, InvitationState, code_hash
from tests.support import START, Spine, make_csr, party_id

CA = CertificateAuthority.create(START)
ABC, DEF = party_id("NL-ABC"), party_id("NL-DEF")
CPO = frozenset({Role.CPO})


def publish(party: Party) -> bytes:
    return f"{party.id} {party.state}".encode()


async def invite(
    spine: Spine, platform: str = "acme", *parties: str, ttl: timedelta = timedelta(days=1)
) -> tuple[Invitation, str]:
    invited = [InvitedParty(id=party_id(party), roles=CPO) for party in parties or ("NL-ABC",)]
    return await spine.committer.run(
        lambda uow: create_invitation(uow, platform=platform, parties=invited, ttl=ttl, publish=publish)
    )


async def registered(spine: Spine, code: str, csr_pem: bytes) -> Registered:
    return await spine.committer.run(
        lambda uow: register(uow, code=code, csr_pem=csr_pem, certifier=CA, publish=publish)
    )


def state_of(spine: Spine, party: str) -> PartyState:
    return spine.directory.current.parties[party_id(party)].state


async def facts(spine: Spine) -> list[tuple[EntryKind, bytes]]:
    entries = await spine.reads.run(lambda uow: uow.journal.read(Stream.REGISTRY, -1, 100))
    return [(entry.fact.kind, entry.fact.body) for entry in entries]


async def test_a_code_is_kept_as_its_hash_alone(spine: Spine) -> None:
    invitation, code = await invite(spine)
    with spine.engine.connect() as connection:
        (row,) = connection.exec_driver_sql("SELECT * FROM invitation").fetchall()
    stored = b"".join(
        v if isinstance(v, bytes) else str(v).encode()
        for v in (bytes(x) if isinstance(x, memoryview) else x for x in row)
    )
    assert code_hash(code) in stored
    assert code.encode() not in stored
    assert code.replace("-", "").encode() not in stored
    assert await spine.reads.run(lambda uow: uow.invitations.find(invitation.id)) == invitation


async def test_registration_burns_the_code_activates_parties_and_says_so(spine: Spine) -> None:
    invitation, code = await invite(spine, "acme", "NL-ABC", "NL-DEF")
    assert state_of(spine, "NL-ABC") is PartyState.PLANNED
    done = await registered(spine, code, make_csr()[1])
    assert (done.platform, done.parties) == ("acme", (ABC, DEF))
    assert state_of(spine, "NL-ABC") is state_of(spine, "NL-DEF") is PartyState.ACTIVE
    used = await spine.reads.run(lambda uow: uow.invitations.find(invitation.id))
    assert used is not None
    assert used.state(spine.clock()) is InvitationState.USED
    assert await facts(spine) == [
        (EntryKind.PARTY, b"NL-ABC PLANNED"),
        (EntryKind.PARTY, b"NL-DEF PLANNED"),
        (EntryKind.PARTY, b"NL-ABC ACTIVE"),
        (EntryKind.PARTY, b"NL-DEF ACTIVE"),
    ]


async def test_an_expired_code_is_refused_and_nothing_changes(spine: Spine) -> None:
    _, code = await invite(spine, ttl=timedelta(hours=1))
    spine.clock.advance(hours=1)
    with pytest.raises(Denied, match="no invitation"):
        await registered(spine, code, make_csr()[1])
    assert state_of(spine, "NL-ABC") is PartyState.PLANNED
    assert len(await facts(spine)) == 1


async def test_the_lost_answer_of_a_registration_is_given_again_until_the_invitation_expires(spine: Spine) -> None:
    _, code = await invite(spine, ttl=timedelta(hours=1))
    csr = make_csr()[1]
    first = await registered(spine, code, csr)
    assert (await registered(spine, code, csr)).certificate == first.certificate
    assert len(await facts(spine)) == 2
    with pytest.raises(Denied):
        await registered(spine, code, make_csr()[1])
    spine.clock.advance(hours=1)
    with pytest.raises(Denied):
        await registered(spine, code, csr)


async def test_the_answer_is_not_given_again_once_its_certificate_is_revoked(spine: Spine) -> None:
    _, code = await invite(spine)
    csr = make_csr()[1]
    first = await registered(spine, code, csr)
    await spine.committer.run(lambda uow: revoke_certificate(uow, first.certificate.serial, own=""))
    with pytest.raises(Denied):
        await registered(spine, code, csr)


async def test_a_weak_request_leaves_the_invitation_as_it_was(spine: Spine) -> None:
    invitation, code = await invite(spine)
    with pytest.raises(Invalid):
        await registered(spine, code, b"nonsense")
    assert await spine.reads.run(lambda uow: uow.invitations.find(invitation.id)) == invitation
    assert state_of(spine, "NL-ABC") is PartyState.PLANNED


async def test_two_registrations_at_once_with_one_code_give_one_certificate(spine: Spine) -> None:
    _, code = await invite(spine)
    attempts = [registered(spine, code, make_csr()[1]) for _ in range(5)]
    done = [await result for result in [_outcome(attempt) for attempt in attempts]]
    assert done.count(None) == 4
    held = await spine.reads.run(lambda uow: uow.certificates.unexpired(["roamhub://platform/acme"], uow.now))
    assert len(held) == 1


async def test_certificates_of_all_of_a_kind_are_found_newest_first(spine: Spine) -> None:
    for serial, subject in enumerate(
        ("platform/acme", "operator/anna", "operator/bob", "operators/x", "operator/carl")
    ):
        now = spine.clock.now
        lives = timedelta(hours=1) if subject.endswith("carl") else timedelta(days=9)
        record = CertificateRecord(
            serial=f"{serial}", subject=f"roamhub://{subject}", created=now, expires=now + lives, renew=now
        )
        await spine.committer.run(lambda uow, record=record: uow.certificates.add(record))  # type: ignore[misc]
        spine.clock.advance(hours=1)
    found = await spine.reads.run(lambda uow: uow.certificates.unexpired_of_all("roamhub://operator/", uow.now))
    assert [each.subject for each in found] == ["roamhub://operator/bob", "roamhub://operator/anna"]


async def _outcome(attempt: object) -> object:
    try:
        return await attempt  # type: ignore[misc]
    except Denied:
        return None


async def test_a_withdrawn_invitation_is_over_and_a_used_one_cannot_be_withdrawn(spine: Spine) -> None:
    invitation, code = await invite(spine)
    withdrawn = await spine.committer.run(lambda uow: revoke_invitation(uow, invitation.id))
    assert withdrawn.state(spine.clock()) is InvitationState.REVOKED
    assert await spine.committer.run(lambda uow: revoke_invitation(uow, invitation.id)) == withdrawn
    with pytest.raises(Denied):
        await registered(spine, code, make_csr()[1])
    again, code = await invite(spine)
    await registered(spine, code, make_csr()[1])
    with pytest.raises(Precondition):
        await spine.committer.run(lambda uow: revoke_invitation(uow, again.id))
    with pytest.raises(NotFound):
        await spine.committer.run(lambda uow: revoke_invitation(uow, "0" * 36))


async def test_a_refused_invitation_leaves_no_party(spine: Spine) -> None:
    await invite(spine, "acme", "NL-ABC")
    with pytest.raises(Conflict):
        await invite(spine, "other", "NL-NEW", "NL-ABC")
    assert party_id("NL-NEW") not in spine.directory.current.parties
    assert len(await facts(spine)) == 1


async def test_a_suspended_party_may_not_act_and_is_itself_again_when_resumed(spine: Spine) -> None:
    _, code = await invite(spine)
    await registered(spine, code, make_csr()[1])
    assert spine.directory.current.by_platform["acme"].keys() == {ABC}
    for _ in range(2):
        await spine.committer.run(lambda uow: suspend_party(uow, ABC, publish))
    assert "acme" not in spine.directory.current.by_platform
    await spine.committer.run(lambda uow: resume_party(uow, ABC, publish))
    assert spine.directory.current.by_platform["acme"].keys() == {ABC}
    assert [body for _, body in await facts(spine)][-2:] == [b"NL-ABC SUSPENDED", b"NL-ABC ACTIVE"]
    with pytest.raises(Precondition):
        await spine.committer.run(lambda uow: resume_party(uow, ABC, publish))
    with pytest.raises(NotFound):
        await spine.committer.run(lambda uow: suspend_party(uow, DEF, publish))


async def test_a_planned_party_cannot_be_suspended(spine: Spine) -> None:
    await invite(spine)
    with pytest.raises(Precondition):
        await spine.committer.run(lambda uow: suspend_party(uow, ABC, publish))


async def test_a_revoked_certificate_stands_in_the_directory_of_the_next_transaction(spine: Spine) -> None:
    _, code = await invite(spine)
    serial = (await registered(spine, code, make_csr()[1])).certificate.serial
    spine.clock.advance(minutes=5)
    first = await spine.committer.run(lambda uow: revoke_certificate(uow, serial, own=""))
    assert first.revoked == START + timedelta(minutes=5)
    assert spine.directory.current.revoked == {serial}
    spine.clock.advance(minutes=5)
    assert await spine.committer.run(lambda uow: revoke_certificate(uow, serial, own="")) == first
    with pytest.raises(NotFound):
        await spine.committer.run(lambda uow: revoke_certificate(uow, "abc", own=""))
    with pytest.raises(Precondition):
        await spine.committer.run(lambda uow: revoke_certificate(uow, serial, own=serial))


async def test_a_revoked_platform_loses_certificates_invitations_and_its_voice(spine: Spine) -> None:
    _, code = await invite(spine, "acme", "NL-ABC")
    await registered(spine, code, make_csr()[1])
    await spine.committer.run(lambda uow: renew(uow, platform="acme", csr_pem=make_csr()[1], certifier=CA))
    _, pending = await invite(spine, "acme", "NL-DEF")
    platform = await spine.committer.run(lambda uow: revoke_platform(uow, "acme", publish))
    assert platform.certificate_count == 0
    assert platform.certificate_expires is None
    assert len(spine.directory.current.revoked) == 2
    assert state_of(spine, "NL-ABC") is PartyState.SUSPENDED
    assert state_of(spine, "NL-DEF") is PartyState.PLANNED
    with pytest.raises(Denied):
        await registered(spine, pending, make_csr()[1])
    with pytest.raises(NotFound):
        await spine.committer.run(lambda uow: revoke_platform(uow, "unknown", publish))


async def test_expired_certificates_are_not_counted_and_not_listed(spine: Spine) -> None:
    _, code = await invite(spine)
    await registered(spine, code, make_csr()[1])
    spine.clock.advance(days=60)
    later = await spine.committer.run(lambda uow: renew(uow, platform="acme", csr_pem=make_csr()[1], certifier=CA))
    (platform,) = await spine.reads.run(lambda uow: find_platforms(uow, ["acme"]))
    assert (platform.certificate_count, platform.certificate_expires) == (2, later.expires)
    spine.clock.advance(days=30)
    held = await spine.reads.run(lambda uow: uow.certificates.unexpired(["roamhub://platform/acme"], uow.now))
    assert held == [later]


async def test_invitations_come_newest_first_page_by_page_and_by_platform(spine: Spine) -> None:
    made = [(await invite(spine, f"p{i % 2}", f"NL-A{i:02}"))[0] for i in range(6)]

    def ids(uow: UnitOfWork, platform: str = "", before: str = "", limit: int = 10) -> list[str]:
        return [i.id for i in uow.invitations.page(platform=platform, before_id=before, limit=limit)]

    newest = [invitation.id for invitation in made][::-1]
    assert await spine.reads.run(ids) == newest
    assert await spine.reads.run(lambda uow: ids(uow, limit=2)) == newest[:2]
    assert await spine.reads.run(lambda uow: ids(uow, before=newest[1])) == newest[2:]
    assert await spine.reads.run(lambda uow: ids(uow, platform="p1")) == newest[::2]


async def test_an_invitation_is_pending_until_the_very_instant_it_expires() -> None:
    invitation = Invitation(
        id="1", code_hash=b"", platform="acme", parties=(), created=START, expires=START + timedelta(hours=1)
    )
    assert invitation.state(START + timedelta(hours=1, microseconds=-1)) is InvitationState.PENDING
    assert invitation.state(START + timedelta(hours=1)) is InvitationState.EXPIRED
    assert replace(invitation, used=START, revoked=START).state(START) is InvitationState.USED
