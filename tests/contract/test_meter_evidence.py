"""What signed meter values prove, on record beside their CDRs on both databases, and good for one charge."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

from hub.app.ports.cdrs import CdrFilter
from hub.domain.agreements import CheckAction
from hub.domain.cdrs.record import Cdr, CdrAnswer, CdrRecord, CdrState
from hub.domain.errors import HubError
from hub.domain.ids import ObjectId, PartyId
from hub.domain.meter.evidence import DocumentEvidence, MeterEvidence
from hub.domain.meter.model import Format, Measured, Reason, Signature
from tests.contract.test_clearing import CPO, EMSP, LENIENT, Desk
from tests.support import Spine

ACCEPTED, RETURNED, QUARANTINED = CdrState.ACCEPTED, CdrState.RETURNED, CdrState.QUARANTINED
CHECKS = {**LENIENT, "METER_DATA_REUSED": CheckAction.RETURN}
OTHER = PartyId("FR", "MSP")


def evidence(proof: str) -> MeterEvidence:
    document = DocumentEvidence(
        index=0,
        format=Format.OCMF,
        algorithm="ECDSA-secp256r1-SHA256",
        signature=Signature.VALID,
        billable=False,
        reasons=(Reason.KEY_NOT_TRUSTED,),
        fingerprint="ab",
    )
    return MeterEvidence(
        signature=Signature.VALID,
        billable=False,
        reasons=(Reason.KEY_NOT_TRUSTED,),
        documents=(document, replace(document, index=1, key_id="key")),
        measured=Measured(energy_kwh=Decimal("10.00"), resolution_kwh=Decimal("0.01")),
        proof=sha256(proof.encode()).digest() if proof else b"",
    )


class Meters(Desk):
    """A hub's clearing with CDRs that carry signed values."""

    def signed(self, name: str, proof: str, **facts: object) -> Cdr:
        return self.cdr(name, **facts)._replace(meter=evidence(proof))  # type: ignore[arg-type]

    async def record(self, name: str) -> CdrRecord:
        found = await self.read(lambda uow: uow.cdrs.get(ObjectId(CPO, name)))
        assert found is not None
        return found


def states(answers: Sequence[CdrAnswer | HubError]) -> list[CdrState]:
    return [answer.state for answer in answers if isinstance(answer, CdrAnswer)]


async def test_evidence_stands_beside_its_cdr_and_no_other(spine: Spine, tmp_path: Path) -> None:
    desk = Meters(spine, tmp_path)
    await desk.open(checks=CHECKS)
    await desk.submit(desk.signed("One", "a"), desk.cdr("Two"), desk.signed("Three", ""))
    assert (await desk.record("ONE")).meter == evidence("a")
    listed = await desk.read(lambda uow: uow.cdrs.list(CdrFilter(parties=frozenset({EMSP, CPO})), -1, 10))
    assert [record.meter for record in listed] == [evidence("a"), None, evidence("")]
    changed = await desk.read(lambda uow: uow.cdrs.changes([EMSP], -1, 10))
    assert [record.meter for record in changed] == [evidence("a"), None, evidence("")]


async def test_signed_values_stand_for_one_charge_of_their_cpo(spine: Spine, tmp_path: Path) -> None:
    desk = Meters(spine, tmp_path)
    await desk.open(checks=CHECKS)
    await desk.open(OTHER, checks=CHECKS)
    first = await desk.submit(desk.signed("One", "a"), desk.signed("Two", "a"), desk.signed("Three", "b"))
    assert states(first) == [ACCEPTED, RETURNED, ACCEPTED]
    (again,) = await desk.submit(desk.signed("Four", "a", emsp=OTHER))
    assert isinstance(again, CdrAnswer)
    assert again.state is RETURNED
    assert [(f.code, "one" in f.message) for f in again.findings] == [("METER_DATA_REUSED", False)]
    # What was returned stands for nothing, and what is credited no longer does.
    credit = desk.cdr("Credit", "-1.0050", credit_of="One")
    put_right = await desk.submit(credit, desk.signed("Five", "a"), desk.signed("Six", "a"))
    assert states(put_right) == [ACCEPTED, ACCEPTED, RETURNED]
    assert states(await desk.submit(desk.signed("Seven", ""), desk.signed("Eight", ""))) == [ACCEPTED, ACCEPTED]


async def test_the_same_cdr_again_gets_its_first_answer_and_evidence(spine: Spine, tmp_path: Path) -> None:
    desk = Meters(spine, tmp_path)
    await desk.open(checks=CHECKS)
    cdr = desk.signed("One", "a")
    first = await desk.submit(cdr)
    later = await desk.submit(cdr._replace(meter=evidence("b")), cdr)
    assert later == [*first, *first]
    assert (await desk.record("One")).meter == evidence("a")


async def test_what_waits_in_quarantine_holds_its_signed_values(spine: Spine, tmp_path: Path) -> None:
    desk = Meters(spine, tmp_path)
    await desk.open(checks={**CHECKS, "ENERGY_SUM_MISMATCH": CheckAction.QUARANTINE})
    doubtful = desk.signed("One", "a")._replace(total_energy=Decimal(11))
    assert states(await desk.submit(doubtful)) == [QUARANTINED]
    assert states(await desk.submit(desk.signed("Two", "a"))) == [RETURNED]
