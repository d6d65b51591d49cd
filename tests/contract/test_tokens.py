"""Tokens as stored and as the use cases change them, on both databases."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from hub.app.ports.uow import UnitOfWork
from hub.app.tokens import TokenChange, change_tokens, get_token, put_tokens
from hub.domain.errors import HubError, NotFound, Stale, invalid
from hub.domain.ids import PartyId, fold
from hub.domain.journal import EntryKind, Stream
from hub.domain.parties import Party, PartyState, Role
from hub.domain.tokens import Token, TokenKey, Whitelist
from tests.support import START, Spine

MSP = PartyId("NL", "MSP")
OTHER = PartyId("FR", "OTH")
SECOND = timedelta(seconds=1)


def token(uid: str = "04A2", emsp: PartyId = MSP, kind: str = "RFID", at: int = 0, document: bytes = b"1") -> Token:
    return Token(
        key=TokenKey(emsp, fold(uid), kind),
        contract_id="NL-MSP-C1",
        whitelist=Whitelist.ALLOWED,
        valid=True,
        group_id="g",
        last_updated=START + at * SECOND,
        document=document,
    )


@pytest.fixture
async def tokens(spine: Spine) -> Spine:
    def settle(uow: UnitOfWork) -> None:
        for each in (MSP, OTHER):
            uow.parties.save(
                Party(id=each, number=0, roles=frozenset({Role.EMSP}), platform=str(each), state=PartyState.ACTIVE)
            )

    await spine.committer.run(settle)
    return spine


async def held(spine: Spine, *keys: TokenKey) -> dict[TokenKey, Token]:
    return dict(await spine.reads.run(lambda uow: uow.tokens.find_many(keys)))


async def page_of(
    spine: Spine, emsp: PartyId, after: tuple[str, str] = ("", ""), *, since: datetime | None = None, limit: int = 9
) -> list[Token]:
    return list(await spine.reads.run(lambda uow: uow.tokens.page(emsp, after=after, updated_since=since, limit=limit)))


async def test_a_token_is_stored_as_it_was_said(tokens: Spine) -> None:
    assert await tokens.committer.run_batched(put_tokens, token()) is True
    assert await held(tokens, token().key) == {token().key: token()}


async def test_each_change_is_one_fact_for_the_emsp_alone(tokens: Spine) -> None:
    first, again, newer = token(), token(), token(at=1, document=b"2")
    assert list(await tokens.committer.run_many(put_tokens, [first, again, newer])) == [True, False, True]
    entries = await tokens.reads.run(lambda uow: uow.journal.read(Stream.REGISTRY, -1, 100))
    facts = [entry.fact for entry in entries if entry.fact.kind is EntryKind.TOKEN]
    assert [fact.body for fact in facts] == [b"1", b"2"]
    assert {(fact.owner, fact.counterparty, fact.private) for fact in facts} == {(MSP, None, True)}


async def test_what_is_older_is_refused_and_what_is_equally_old_but_different_counts(tokens: Spine) -> None:
    await tokens.committer.run_batched(put_tokens, token(at=5))
    with pytest.raises(Stale) as caught:
        await tokens.committer.run_batched(put_tokens, token(at=4, document=b"0"))
    assert caught.value.reason == "OUT_OF_DATE"
    assert await tokens.committer.run_batched(put_tokens, token(at=5, document=b"2")) is True
    assert (await held(tokens, token().key))[token().key].document == b"2"


async def test_the_last_of_several_in_one_batch_is_what_stays(tokens: Spine) -> None:
    batch = [token(at=i, document=b"%d" % i) for i in (1, 3, 2)]
    answers = await tokens.committer.run_many(put_tokens, batch)
    assert [type(answer) for answer in answers] == [bool, bool, Stale]
    assert (await held(tokens, token().key))[token().key].document == b"3"


async def test_uids_compare_without_case_and_types_and_emsps_apart(tokens: Spine) -> None:
    every = [token("AB"), token("ab", kind="APP_USER"), token("aB", OTHER)]
    assert list(await tokens.committer.run_many(put_tokens, every)) == [True, True, True]
    assert await tokens.committer.run_batched(put_tokens, token("Ab", document=b"2")) is True
    found = await tokens.reads.run(lambda uow: uow.tokens.find_by_uid(["ab", "none", "ab"]))
    assert list(found) == ["ab"]
    assert {each.key for each in found["ab"]} == {each.key for each in every}


async def test_many_tokens_are_found_in_one_query_and_unknown_ones_left_out(tokens: Spine) -> None:
    many = [token(f"uid{i}") for i in range(300)]
    await tokens.committer.run_many(put_tokens, many)
    nobody = TokenKey(PartyId("ZZ", "ZZZ"), "uid1", "RFID")
    found = await held(tokens, *(each.key for each in many[::3]), token("none").key, nobody)
    assert set(found) == {each.key for each in many[::3]}
    assert await held(tokens) == {}


async def test_a_change_sees_the_change_before_it_in_the_same_group(tokens: Spine) -> None:
    await tokens.committer.run_batched(put_tokens, token())

    def append(document: bytes) -> Token:
        return token(at=1, document=document + b"+")

    change = TokenChange(key=token().key, apply=append)
    await tokens.committer.run_many(change_tokens, [change, change])
    assert (await held(tokens, token().key))[token().key].document == b"1++"


async def test_a_change_of_what_is_missing_or_that_refuses_leaves_no_trace(tokens: Spine) -> None:
    await tokens.committer.run_batched(put_tokens, token(at=2))

    def refuse(document: bytes) -> Token:
        raise invalid("token.uid", "is odd")

    changes = [
        TokenChange(key=token("none").key, apply=lambda _: token()),
        TokenChange(key=token().key, apply=refuse),
        TokenChange(key=token().key, apply=lambda _: token(at=1, document=b"old")),
        TokenChange(key=token().key, apply=lambda document: token(at=2, document=document)),
    ]
    before = await tokens.reads.run(lambda uow: uow.journal.head(Stream.REGISTRY))
    answers = await tokens.committer.run_many(change_tokens, changes)
    assert [answer.reason if isinstance(answer, HubError) else answer for answer in answers] == [
        "TOKEN_NOT_FOUND",
        "INVALID_FIELD",
        "OUT_OF_DATE",
        token(at=2),
    ]
    assert await tokens.reads.run(lambda uow: uow.journal.head(Stream.REGISTRY)) == before


async def test_every_token_is_on_exactly_one_page_while_others_come_and_change(tokens: Spine) -> None:
    steady = [token(f"s{i:02}", kind=kind) for i in range(10) for kind in ("APP_USER", "RFID")]
    await tokens.committer.run_many(put_tokens, [*steady, token("x", OTHER)])
    after, seen = ("", ""), list[TokenKey]()
    for turn in range(100):
        page = await page_of(tokens, MSP, after, limit=3)
        if not page:
            break
        seen += [each.key for each in page]
        after = page[-1].key.uid, page[-1].key.type
        # Meanwhile one is added before and one after where we are, and one that was shown changes.
        changes = [
            token(f"a{turn}"),
            token(f"z{turn:02}", at=turn),
            replace(steady[0], last_updated=START + turn * SECOND),
        ]
        if turn < 5:
            await tokens.committer.run_many(put_tokens, changes)
    assert [key for key in seen if key.uid.startswith("s")] == [each.key for each in steady]
    assert len(seen) == len(set(seen))


async def test_a_list_since_a_time_holds_what_changed_then_or_later(tokens: Spine) -> None:
    await tokens.committer.run_many(put_tokens, [token("a", at=1), token("b", at=2), token("c", at=3)])
    since = START + 2 * SECOND
    page = await page_of(tokens, MSP, since=since)
    assert [each.key.uid for each in page] == ["b", "c"]
    assert await page_of(tokens, PartyId("ZZ", "ZZZ")) == []


async def test_a_missing_token_and_one_of_another_emsp_read_the_same(tokens: Spine) -> None:
    await tokens.committer.run_batched(put_tokens, token(emsp=OTHER))
    with pytest.raises(NotFound) as caught:
        await tokens.reads.run(lambda uow: get_token(uow, token().key))
    assert "04a2" not in str(caught.value).lower() + str(caught.value.metadata)
