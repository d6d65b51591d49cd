"""What the hub makes of a CDR on the wire is what `roamhub rate` makes of it in a file."""

from decimal import Decimal

import pytest
from roamhub.v1 import cdr_object_pb2, tariff_object_pb2

from adapters.ocpi.codec import Kind, Version, from_json, loads_object
from hub.domain.cdrs.pricing import price_cdr
from hub.domain.ids import fold
from hub.domain.rating import ROAMHUB_2026, rate
from hub.domain.rating.json_cdr import cdr_from_json
from hub.domain.rating.json_tariff import tariffs_from_json
from hub.domain.tariffs import GivenTariff, OcpiVersion
from hub.rpc.cdr_wire import cdr_from_document
from hub.rpc.tariff_wire import tariff_from_pb
from tests.unit.rating.making import DATA, shared

pytestmark = pytest.mark.data

OWNER = ("NL", "CPO")
#: Their files name fields of 2.2.1, lack required ones, or use SESSION_TIME: nothing of 2.1.1 is like that on the wire.
NO_OCPI = "ocpi-tariffs-py/v2_1_1/"
FOUND = (str(path.relative_to(DATA / "tariffs")) for path in (DATA / "tariffs").glob("**/cdr*.json"))
CASES = sorted(case for case in FOUND if not case.startswith(NO_OCPI)) or ["absent"]


@pytest.mark.parametrize("case", CASES)
def test_a_vector_costs_the_same_both_ways(case: str) -> None:
    path = shared("tariffs", case)
    text, beside = path.read_bytes(), (path.parent / "tariff.json").read_bytes()
    parsed = cdr_from_json(text)
    old = parsed.version is OcpiVersion.V2_1_1
    (read,) = tariffs_from_json(beside, OcpiVersion.V2_1_1 if old else None)
    expected = rate(parsed.session, [read.tariff])
    version = Version(parsed.version.value)
    message, _ = from_json(Kind.CDR, version, loads_object(text), owner=OWNER)
    assert isinstance(message, cdr_object_pb2.Cdr)
    tariff, _ = from_json(Kind.TARIFF, version, loads_object(beside), owner=OWNER)
    assert isinstance(tariff, tariff_object_pb2.Tariff)
    given = GivenTariff(tariff.id, tariff_from_pb(tariff, parsed.version))
    cdr = cdr_from_document(message.SerializeToString())
    named = [fold(each) for each in cdr.reported.tariff_ids if each]
    cdr = cdr._replace(tariffs=(given,), tariff_ids=tuple(dict.fromkeys([fold(given.id), *named])))
    price = price_cdr(cdr, {}, parsed.session.time_zone, ROAMHUB_2026)
    assert price.rated is not None, price.message
    assert price.rated.total_cost == expected.total_cost
    assert price.rated.total_energy == expected.total_energy
    assert sum((line.before_taxes or Decimal(0)) for line in price.rated.lines) == sum(
        (line.before_taxes or Decimal(0)) for line in expected.lines
    )
