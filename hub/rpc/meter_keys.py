"""MeterKeyService."""

from functools import partial

from roamhub.v1 import common_pb2, meter_object_pb2, meter_pb2

from hub.app.meter_keys import Registered, list_keys, register_keys, revoke_key
from hub.app.ports.meter import MeterKeyFilter, MeterKeyReader
from hub.app.ports.spine import Committer, Reads
from hub.domain.errors import HubError
from hub.domain.ids import PartyId, fold
from hub.domain.meter.keys import KeyClaim
from hub.rpc.calls import Call
from hub.rpc.listing import ID_MAX, bad_token
from hub.rpc.meter_wire import claim_from_pb, encode_key, key_to_pb
from hub.rpc.paging import Page, read_page
from hub.rpc.publishing import require_size, result_of
from hub.rpc.status import to_item_error
from hub.rpc.wire import Reader

BATCH_MAX = 500
_KEY_ID_MAX = 36
_REASON_MAX = 255

_Outcome = meter_pb2.MeterKeyOutcome


class MeterKeyServicer:
    """Implements `roamhub.v1.MeterKeyService`."""

    def __init__(self, *, committer: Committer, reads: Reads, read_key: MeterKeyReader) -> None:
        self._committer = committer
        self._reads = reads
        self._read_key = read_key
        # One object for all calls: the committer joins what waits for the same use case.
        self._register = partial(register_keys, encode=encode_key)

    async def RegisterMeterKeys(
        self,
        request: meter_pb2.RegisterMeterKeysRequest,
        call: Call,  # noqa: ARG002
    ) -> meter_pb2.RegisterMeterKeysResponse:
        """Register up to 500 keys, each for itself."""
        require_size("keys", request.keys, BATCH_MAX)
        party = PartyId(request.party.country_code, request.party.party_id)  # the edge has checked it
        read = [self._read(message, party, f"keys[{position}]") for position, message in enumerate(request.keys)]
        claims = [claim for claim in read if isinstance(claim, KeyClaim)]
        answers = iter(await self._committer.run_many(self._register, claims) if claims else ())
        outcomes = [_outcome(next(answers) if isinstance(each, KeyClaim) else each) for each in read]
        return meter_pb2.RegisterMeterKeysResponse(outcomes=outcomes)

    def _read(self, message: meter_object_pb2.MeterKey, party: PartyId, path: str) -> KeyClaim | HubError:
        try:
            return claim_from_pb(message, party, self._read_key, path)
        except HubError as refusal:
            return refusal

    async def RevokeMeterKey(
        self,
        request: meter_pb2.RevokeMeterKeyRequest,
        call: Call,  # noqa: ARG002
    ) -> meter_object_pb2.MeterKey:
        """Cut the validity of a key short."""
        party = PartyId(request.party.country_code, request.party.party_id)  # the edge has checked it
        reader = Reader()
        key_id = reader.id("id", request.id, _KEY_ID_MAX)
        end = reader.optional_time("end_time", request)
        reason = reader.optional_id("reason", request.reason, _REASON_MAX)
        reader.done()
        key = await self._committer.run(
            lambda uow: revoke_key(uow, party, key_id.lower(), end=end, reason=reason, encode=encode_key)
        )
        return key_to_pb(key)

    async def ListMeterKeys(
        self, request: meter_pb2.ListMeterKeysRequest, call: Call
    ) -> meter_pb2.ListMeterKeysResponse:
        """List the keys that the caller may see."""
        page = read_page(request)
        reader = Reader()
        party = None
        if request.HasField("party"):
            party = reader.party("party", request.party.country_code, request.party.party_id)
        wanted = MeterKeyFilter(
            location=fold(reader.optional_id("location_id", request.location_id, ID_MAX)),
            evse=fold(reader.optional_id("evse_uid", request.evse_uid, ID_MAX)),
            valid_at=reader.optional_time("valid_at", request),
        )
        if wanted.location and party is None:
            reader.refuse("party", "is required with location_id")
        if wanted.evse and not wanted.location:
            reader.refuse("location_id", "is required with evse_uid")
        reader.done()
        after = _place(page)
        keys = await self._reads.run(
            lambda uow: list_keys(uow, call.caller, wanted, party=party, after=after, limit=page.size + 1)
        )
        shown = keys[: page.size]
        token = ""
        if len(keys) > len(shown):
            owner = shown[-1].claim.party
            token = page.next_token(owner.country_code, owner.party_id, shown[-1].id)
        return meter_pb2.ListMeterKeysResponse(keys=[key_to_pb(key) for key in shown], next_page_token=token)


def _outcome(answer: Registered | HubError) -> _Outcome:
    if isinstance(answer, HubError):
        return _Outcome(result=common_pb2.ItemOutcome.RESULT_REFUSED, error=to_item_error(answer))
    return _Outcome(result=result_of(answer.changed), key=key_to_pb(answer.key))


def _place(page: Page) -> tuple[PartyId, str] | None:
    """Return the owner and registration after which a page starts."""
    after = page.key(str, str, str)
    if after is None:
        return None
    country_code, party_id, key_id = after
    try:
        return PartyId(country_code, party_id), key_id
    except ValueError:
        raise bad_token() from None
