"""What the List methods of published objects share: keys, filters, and where a page goes on."""

from datetime import datetime

from roamhub.v1 import common_pb2, location_pb2, tariff_pb2

from hub.app.locations import Place
from hub.domain.errors import Invalid, invalid
from hub.domain.ids import ObjectId, PartyId
from hub.rpc.paging import Page
from hub.rpc.wire import Reader

#: Longest id of a location, EVSE, connector or tariff.
ID_MAX = 36


def read_key(reader: Reader, field: str, key: common_pb2.ObjectKey) -> ObjectId:
    """Read the key of an object."""
    party = reader.party(field, key.country_code, key.party_id)
    return ObjectId(party, reader.id(f"{field}.id", key.id, ID_MAX))


def read_filter(
    request: location_pb2.ListLocationsRequest | tariff_pb2.ListTariffsRequest,
) -> tuple[PartyId | None, datetime | None]:
    """Return the owner and the time that a list is narrowed to; raises Invalid."""
    reader = Reader()
    party = None
    if request.HasField("party"):
        party = reader.party("party", request.party.country_code, request.party.party_id)
    since = reader.optional_time("updated_since", request)
    reader.done()
    return party, since


def read_place(page: Page) -> Place | None:
    """Return the place after which a page starts."""
    if page.after is None:
        return None
    try:
        country_code, party_id, folded = page.after
        return Place(PartyId(country_code, party_id), str(folded))
    except (TypeError, ValueError):
        raise bad_token() from None


def place_token(page: Page, last: ObjectId) -> str:
    """Return the token of the page after this object."""
    return page.next_token(last.party.country_code, last.party.party_id, last.folded)


def bad_token() -> Invalid:
    """Return the refusal of a token that this hub did not make."""
    return invalid("page_token", "must be one that this hub returned")
