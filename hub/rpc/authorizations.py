"""AuthorizationService."""

import hashlib
from collections.abc import AsyncIterator
from functools import lru_cache

from roamhub.v1 import authorization_pb2 as pb
from roamhub.v1 import common_pb2, token_object_pb2

from hub.app.authorization import Asked, Authorizer
from hub.app.ports.authorizations import AuthorizationFilter
from hub.app.ports.spine import Reads
from hub.domain.authorizations import Authorization, Place, Question
from hub.domain.errors import HubError, NotFound
from hub.domain.ids import PartyId
from hub.rpc.authorization_stream import AuthorizationStream
from hub.rpc.calls import Call
from hub.rpc.paging import read_page
from hub.rpc.status import to_item_error
from hub.rpc.wire import Reader, time_to_pb

_UID_MAX = 36
_TYPE_DEFAULT = "RFID"
_EVSES_MAX = 100


class AuthorizationServicer:
    """Answers AuthorizationService."""

    def __init__(self, *, authorizer: Authorizer, reads: Reads) -> None:
        self._authorizer = authorizer
        self._reads = reads

    async def Authorize(self, request: pb.AuthorizeRequest, call: Call) -> pb.Authorization:
        """Answer one question."""
        asked = asked_from_pb(request, call)
        answer = await self._authorizer.authorize(
            asked, seconds_left=call.seconds_left, correlation_id=call.correlation_id
        )
        return authorization_to_pb(answer)

    async def StreamAuthorize(
        self, requests: AsyncIterator[pb.StreamAuthorizeRequest], call: Call
    ) -> AsyncIterator[pb.StreamAuthorizeResponse]:
        """Answer many questions, each when it is ready."""
        stream = AuthorizationStream(authorizer=self._authorizer, read=asked_from_pb, call=call)
        async for answers in stream.answers(requests):
            yield pb.StreamAuthorizeResponse(answers=[_tagged(tag, answer) for tag, answer in answers])

    async def GetAuthorization(self, request: pb.GetAuthorizationRequest, call: Call) -> pb.Authorization:
        """Return an answer of the past."""
        reader = Reader()
        reference = reader.id("authorization_reference", request.authorization_reference, _UID_MAX)
        reader.done()
        parties = list(call.caller.parties)
        found = await self._reads.run(lambda uow: uow.authorizations.find(reference, parties))
        if found is None:
            raise NotFound(
                "AUTHORIZATION_NOT_FOUND", "there is no such authorization", authorization_reference=reference
            )
        return authorization_to_pb(found)

    async def ListAuthorizations(
        self,
        request: pb.ListAuthorizationsRequest,
        call: Call,  # noqa: ARG002
    ) -> pb.ListAuthorizationsResponse:
        """List answers of the past."""
        page = read_page(request)
        reader = Reader()
        wanted = AuthorizationFilter(
            party=reader.party("party", request.party.country_code, request.party.party_id),
            start=reader.optional_time("start_time", request),
            end=reader.optional_time("end_time", request),
        )
        reader.done()
        (before,) = page.key(str) or ("",)
        found = await self._reads.run(lambda uow: uow.authorizations.list(wanted, before, page.size + 1))
        shown = found[: page.size]
        return pb.ListAuthorizationsResponse(
            authorizations=[authorization_to_pb(each) for each in shown],
            next_page_token=page.next_token(shown[-1].reference) if len(found) > page.size else "",
        )


def _tagged(tag: int, answer: Authorization | HubError) -> pb.TaggedAnswer:
    if isinstance(answer, HubError):
        return pb.TaggedAnswer(tag=tag, error=to_item_error(answer))
    return pb.TaggedAnswer(tag=tag, authorization=authorization_to_pb(answer))


def asked_from_pb(request: pb.AuthorizeRequest, call: Call, path: str = "") -> Asked:
    """Read a question; raises Invalid."""
    reader = Reader(path)
    cpo = reader.party("cpo", request.cpo.country_code, request.cpo.party_id)
    emsp = None
    if request.HasField("emsp"):
        emsp = reader.party("emsp", request.emsp.country_code, request.emsp.party_id)
    question = Question(
        cpo=cpo,
        token_uid=reader.id("token_uid", request.token_uid, _UID_MAX),
        token_type=reader.id("token_type", request.token_type or _TYPE_DEFAULT, _UID_MAX),
        emsp=emsp,
        place=place_from_pb(reader, request.location) if request.HasField("location") else None,
    )
    if not request.request_id:
        reader.done()
        return Asked(platform=call.caller.platform, question=question)
    request_id = reader.request_id(request.request_id)
    reader.done()
    digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    return Asked(platform=call.caller.platform, question=question, request_id=request_id, request_hash=digest)


def place_from_pb(reader: Reader, message: token_object_pb2.LocationReferences) -> Place:
    """Read where a driver wants to charge."""
    place = Place(
        location_id=message.location_id,
        evse_uids=tuple(message.evse_uids),
        connector_ids=tuple(message.connector_ids),
    )
    if len(place.evse_uids) + len(place.connector_ids) > _EVSES_MAX:
        reader.refuse("location", f"must name at most {_EVSES_MAX} EVSEs and connectors")
        return place
    reader.id("location.location_id", place.location_id, _UID_MAX)
    for name, ids in (("evse_uids", place.evse_uids), ("connector_ids", place.connector_ids)):
        for position, each in enumerate(ids):
            reader.id(f"location.{name}[{position}]", each, _UID_MAX)
    return place


def authorization_to_pb(answer: Authorization) -> pb.Authorization:
    """Return the message of an answer."""
    message = pb.Authorization(
        authorization_reference=answer.reference,
        allowed=answer.allowed,  # type: ignore[arg-type] # the numbers are the contract's
        source=answer.source,  # type: ignore[arg-type]
        reason=answer.reason,
        agreement=answer.agreement,
        clause=answer.clause,
        cpo=party_key(answer.cpo),
        emsp=None if answer.emsp is None else party_key(answer.emsp),
        emsp_reference=answer.emsp_reference,
        recorded_time=time_to_pb(answer.recorded_time),
    )
    if answer.token_document:
        message.token.MergeFromString(answer.token_document)
    elif answer.emsp is not None:
        token = message.token
        token.country_code, token.party_id = answer.emsp.country_code, answer.emsp.party_id
        token.uid, token.type, token.contract_id = answer.token_uid, answer.token_type, answer.contract_id
    if answer.place is not None:
        message.location.location_id = answer.place.location_id
        message.location.evse_uids.extend(answer.place.evse_uids)
        message.location.connector_ids.extend(answer.place.connector_ids)
    if answer.info_document:
        message.info.MergeFromString(answer.info_document)
    return message


@lru_cache(maxsize=16_384)
def party_key(party: PartyId) -> common_pb2.PartyKey:
    """Return the message of a party; shared, to be copied into others only."""
    return common_pb2.PartyKey(country_code=party.country_code, party_id=party.party_id)
