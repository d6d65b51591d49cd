"""Verifying the signed meter values of CDRs, before they are submitted.

Signatures are slow beside everything else that a CDR takes. So they are verified before the group of submissions in
which their CDR is recorded, with the keys as they are registered then.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from hub.app.ports.meter import MeterVerifier
from hub.app.ports.uow import UnitOfWork
from hub.domain.locations import EvseKey
from hub.domain.meter.cdr import SignedData
from hub.domain.meter.evidence import MeterEvidence, evidence_of
from hub.domain.meter.keys import MeterKey
from hub.domain.meter.model import Entry


class MeterClaim(NamedTuple):
    """What a CDR claims with its signed values: so much energy at that EVSE, in a session that began then."""

    evse: EvseKey
    start: datetime
    energy_kwh: Decimal
    signed: SignedData


def keys_for(uow: UnitOfWork, claims: Sequence[MeterClaim]) -> list[list[MeterKey]]:
    """Return for each claim the keys that are registered for its EVSE and valid when its session began; one query."""
    registered = uow.meter_keys.of_evses({claim.evse for claim in claims})
    return [[key for key in registered.get(claim.evse, ()) if key.is_valid(claim.start)] for claim in claims]


def prove(
    verifier: MeterVerifier, documents: Sequence[Entry], claim: MeterClaim, keys: Sequence[MeterKey]
) -> MeterEvidence:
    """Return what a claim's documents prove under these keys."""
    verdicts = verifier.verify(documents, [key.claim.material.spki.hex() for key in keys])
    return evidence_of(documents, verdicts, claim.energy_kwh, keys)
