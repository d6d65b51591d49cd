"""The codec between OCPI's JSON and the messages of the contract.

Reading is permissive: whatever JSON object a peer sends becomes a message, nothing it said is lost, and every broken
rule comes back as a `Problem` with its path; the caller decides what it refuses. Writing is strict: it says only what
the version knows, and reports every `Loss`. `docs/ocpi-mapping.md` shows each field.

    message, problems = from_json(Kind.TARIFF, Version.V2_2_1, loads_object(body), owner=("NL", "ABC"))
    obj, losses = to_json(message, Version.V2_3_0)
    body = dumps(obj)
"""

from collections.abc import Mapping
from types import MappingProxyType

from google.protobuf.message import Message

from adapters.ocpi.codec.engine import EXTENSIONS, plan_of
from adapters.ocpi.codec.jsontext import Json, JsonObject, Number, dumps, loads, loads_object
from adapters.ocpi.codec.objects.cdr import CDR
from adapters.ocpi.codec.objects.location import CONNECTOR, EVSE, LOCATION
from adapters.ocpi.codec.objects.session import CHARGING_PREFERENCES, SESSION
from adapters.ocpi.codec.objects.tariff import TARIFF
from adapters.ocpi.codec.objects.token import AUTHORIZATION_INFO, LOCATION_REFERENCES, TOKEN
from adapters.ocpi.codec.tables import Reading, Table, Writing
from adapters.ocpi.codec.words import Kept, Kind, Loss, Problem, Version

__all__ = [
    "TABLES",
    "Json",
    "JsonObject",
    "Kept",
    "Kind",
    "Loss",
    "Number",
    "Problem",
    "Version",
    "changed_fields",
    "dumps",
    "from_json",
    "loads",
    "loads_object",
    "to_json",
]

TABLES: Mapping[Kind, Table] = MappingProxyType(
    {
        Kind.LOCATION: LOCATION,
        Kind.EVSE: EVSE,
        Kind.CONNECTOR: CONNECTOR,
        Kind.TARIFF: TARIFF,
        Kind.TOKEN: TOKEN,
        Kind.AUTHORIZATION_INFO: AUTHORIZATION_INFO,
        Kind.LOCATION_REFERENCES: LOCATION_REFERENCES,
        Kind.SESSION: SESSION,
        Kind.CHARGING_PREFERENCES: CHARGING_PREFERENCES,
        Kind.CDR: CDR,
    }
)
_BY_MESSAGE = {table.message: table for table in TABLES.values()}


def from_json(
    kind: Kind, version: Version, obj: JsonObject, *, owner: tuple[str, str] | None = None, partial: bool = False
) -> tuple[Message, list[Problem]]:
    """Return the message that `obj` says, and the rules it breaks, in the order of its fields.

    Args:
        kind: what the object is.
        version: the OCPI version its sender speaks.
        obj: the object as `loads_object` gives it.
        owner: country code and party id for objects that do not name their owner: 2.1.1 says it in the URL.
        partial: the object is a PATCH, so required fields may be missing.

    Raises:
        TypeError: `obj` holds a float, so it was parsed by something that changes numbers.
    """
    table = TABLES[kind]
    message = table.message()
    problems: list[Problem] = []
    named = obj
    if owner is not None and "country_code" in table.message.DESCRIPTOR.fields_by_name:
        known = dict(zip(("country_code", "party_id"), owner, strict=True))
        for name, value in known.items():
            if obj.get(name) is None:
                setattr(message, name, value)
        named = {**known, **{name: value for name, value in obj.items() if name not in known or value is not None}}
        if version is Version.V2_1_1:
            named = obj
    plan_of(table, version).read(named, message, Reading(version, "$", problems, partial))
    return message, problems


def to_json(message: Message, version: Version) -> tuple[JsonObject, list[Loss]]:
    """Return what `version` says for `message`, and what it cannot say.

    Raises:
        KeyError: the message is none that travels on its own.
    """
    losses: list[Loss] = []
    obj = plan_of(_BY_MESSAGE[type(message)], version).write(message, Writing(version, "$", losses))
    return obj, losses


def changed_fields(kind: Kind, version: Version, obj: JsonObject) -> list[str]:
    """Return the fields of the message that a PATCH with `obj` touches, for an update mask."""
    targets = plan_of(TABLES[kind], version).targets
    return sorted({targets.get(name, EXTENSIONS) for name in obj})
