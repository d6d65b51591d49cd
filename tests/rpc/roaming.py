"""A CPO and an eMSP that roam: agreement and tokens put into a running hub, past the services that do so."""

from datetime import timedelta
from typing import Any

from roamhub.v1 import token_object_pb2

from hub.domain.agreements import Agreement, AgreementState, Service, Terms
from hub.domain.ids import PartyId, fold
from hub.domain.tokens import Token, TokenKey, Whitelist
from hub.main import Hub

ALL_SERVICES = frozenset({Service.ROAMING, Service.REMOTE, Service.RESERVATION})


async def publish_cdr_token(hub: Hub, emsp: PartyId) -> None:
    """Record the token of the CDRs that `tests.cdrs` makes."""
    await publish(hub, emsp, "TOK1", whitelist=Whitelist.ALWAYS, contract_id="DE-MSP-C12345678-X")


async def agree(
    hub: Hub,
    cpo: PartyId,
    emsp: PartyId,
    *,
    state: AgreementState = AgreementState.ACTIVE,
    services: frozenset[Service] = ALL_SERVICES,
    from_store: bool = False,
    agreement_id: str = "a1",
) -> None:
    """Record an agreement of the two."""
    version = Agreement(
        id=agreement_id,
        version=1,
        cpo=cpo,
        emsp=emsp,
        state=state,
        terms=Terms(services=services, currency="EUR", allow_stored_authorization=from_store),
        proposer=cpo,
        since=hub.clock() - timedelta(days=1),
    )
    await hub.committer.run(lambda uow: uow.agreements.save(version))


def token_message(emsp: PartyId, uid: str, **changes: Any) -> token_object_pb2.Token:
    """Return a token as its eMSP publishes it."""
    token = token_object_pb2.Token(
        country_code=emsp.country_code,
        party_id=emsp.party_id,
        uid=uid,
        type="RFID",
        contract_id=f"{emsp.country_code}-{emsp.party_id}-C{uid}",
        issuer="issuer",
        valid=True,
        whitelist=token_object_pb2.WHITELIST_TYPE_NEVER,
    )
    for name, value in changes.items():
        setattr(token, name, value)
    return token


async def publish(
    hub: Hub, emsp: PartyId, *uids: str, whitelist: Whitelist = Whitelist.NEVER, contract_id: str = ""
) -> None:
    """Record tokens of an eMSP, of one contract or of one each."""
    now = hub.clock()
    tokens = [
        Token(
            key=TokenKey(emsp, fold(uid), "RFID"),
            contract_id=contract_id or f"C{uid}",
            whitelist=whitelist,
            valid=True,
            last_updated=now,
            document=token_message(emsp, uid, whitelist=int(whitelist)).SerializeToString(),
        )
        for uid in uids
    ]
    await hub.committer.run(lambda uow: uow.tokens.save(tokens))
