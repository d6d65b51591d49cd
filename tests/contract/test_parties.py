"""Parties as stored, on both databases."""

import pytest

from hub.app.ports.uow import UnitOfWork
from hub.domain.parties import Party, PartyState, Role
from tests.support import Spine, party_id

ACME = Party(
    id=party_id("NL-ABC"), number=0, roles=frozenset({Role.CPO, Role.EMSP}), platform="acme", state=PartyState.ACTIVE
)


async def test_a_saved_party_gets_a_number_and_is_in_everybodys_directory(spine: Spine) -> None:
    saved = await spine.committer.run(lambda uow: uow.parties.save(ACME))
    assert saved.number == 1
    assert spine.directory.current.parties[ACME.id] == saved
    found = await spine.reads.run(lambda uow: uow.parties.find(party_id("nl-abc")))
    assert found == saved


async def test_a_party_of_a_use_case_that_fails_is_never_seen(spine: Spine) -> None:
    def save_and_fail(uow: UnitOfWork) -> None:
        uow.parties.save(ACME)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await spine.committer.run(save_and_fail)
    assert await spine.reads.run(lambda uow: uow.parties.find(ACME.id)) is None
