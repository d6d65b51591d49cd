"""Between the words of `hub.app.ports.partners` and the messages that partners answer.

Answers are checked: what cannot be an answer to the question is refused here, before any use case sees it.
"""

from datetime import datetime, timedelta

from roamhub.v1 import command_pb2, common_pb2, link_pb2, partner_pb2, token_object_pb2

from hub.app.ports.partners import CommandDelivery, TokenQuestion
from hub.domain.authorizations import Allowed, EmspAnswer, Place
from hub.domain.commands import RESULT_WAIT, CommandReply, CommandResponse
from hub.domain.ids import PartyId, fold, fold_uid

_ALLOWED = {int(value): value for value in Allowed}
_RESPONSES = {int(value): value for value in CommandResponse}
_REFERENCE_MAX = 36
_MESSAGES_MAX = 16


def party_to_pb(party: PartyId) -> common_pb2.PartyKey:
    """Return the message of a party."""
    return common_pb2.PartyKey(country_code=party.country_code, party_id=party.party_id)


def place_to_pb(place: Place) -> token_object_pb2.LocationReferences:
    """Return the message of a place."""
    return token_object_pb2.LocationReferences(
        location_id=place.location_id, evse_uids=place.evse_uids, connector_ids=place.connector_ids
    )


def place_from_pb(message: token_object_pb2.LocationReferences) -> Place:
    """Return the place of a message."""
    return Place(
        location_id=message.location_id,
        evse_uids=tuple(message.evse_uids),
        connector_ids=tuple(message.connector_ids),
    )


def question_to_pb(question: TokenQuestion) -> partner_pb2.PartnerServiceAuthorizeRequest:
    """Return what an eMSP is asked."""
    return partner_pb2.PartnerServiceAuthorizeRequest(
        emsp=party_to_pb(question.emsp),
        cpo=party_to_pb(question.cpo),
        token_uid=question.token_uid,
        token_type=question.token_type,
        location=None if question.place is None else place_to_pb(question.place),
        authorization_reference=question.reference,
    )


def answer_from_pb(question: TokenQuestion, message: token_object_pb2.AuthorizationInfo) -> EmspAnswer:
    """Return the eMSP's answer.

    Raises:
        ValueError: It is no answer to the question; the text says why and names no value.
    """
    allowed = _ALLOWED.get(message.allowed)
    if allowed is None:
        raise ValueError("allowed is absent or unknown")
    place = question.place
    if place is not None and message.HasField("location"):
        place = place.limited_to(place_from_pb(message.location))
    token = message.token if message.HasField("token") else None
    if token is not None and not _is_about(question, token):
        raise ValueError("the token is another than the one asked about")
    if len(message.authorization_reference) > _REFERENCE_MAX:
        raise ValueError(f"authorization_reference has more than {_REFERENCE_MAX} characters")
    return EmspAnswer(
        allowed=allowed,
        place=place,
        token_document=b"" if token is None else token.SerializeToString(),
        contract_id="" if token is None else token.contract_id,
        info_document=message.info.SerializeToString() if message.HasField("info") else b"",
        reference=message.authorization_reference,
    )


def _is_about(question: TokenQuestion, token: token_object_pb2.Token) -> bool:
    return (
        fold_uid(token.uid) == fold_uid(question.token_uid)
        and fold(token.type) == fold(question.token_type)
        and fold(token.country_code) == fold(question.emsp.country_code)
        and fold(token.party_id) == fold(question.emsp.party_id)
    )


def delivery_to_pb(delivery: CommandDelivery) -> partner_pb2.ExecuteCommandRequest:
    """Return what a CPO is told to do."""
    return partner_pb2.ExecuteCommandRequest(
        name=delivery.name,
        cpo=party_to_pb(delivery.cpo),
        emsp=party_to_pb(delivery.emsp),
        order=command_pb2.CommandOrder.FromString(delivery.order),
    )


def reply_from_pb(message: partner_pb2.CommandResponse) -> CommandReply:
    """Return the CPO's response.

    Raises:
        ValueError: It is none.
    """
    response = _RESPONSES.get(message.result)
    if response is None:
        raise ValueError("result is absent or unknown")
    wait = RESULT_WAIT
    if message.HasField("timeout"):
        seconds = message.timeout.seconds
        if not 0 <= seconds <= 315_576_000_000 or not 0 <= message.timeout.nanos < 1_000_000_000:
            raise ValueError("timeout is no positive span")
        wait = timedelta(seconds=min(seconds, 86_400), microseconds=message.timeout.nanos // 1000)
    texts = tuple(text.SerializeToString() for text in message.messages[:_MESSAGES_MAX])
    return CommandReply(response=response, wait=wait, messages=texts)


def presence_document(party: PartyId, connected: bool, since: datetime) -> bytes:
    """Return the message of a change of presence."""
    change = link_pb2.PresenceChange(
        party=party_to_pb(party),
        state=link_pb2.PresenceChange.STATE_CONNECTED if connected else link_pb2.PresenceChange.STATE_OFFLINE,
    )
    change.change_time.FromDatetime(since)
    return change.SerializeToString()
