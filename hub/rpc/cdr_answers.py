"""What the hub says about CDRs, as messages."""

from collections.abc import Mapping, Sequence

from roamhub.v1 import cdr_object_pb2, cdr_pb2

from hub.domain.cdrs.checks import FIX_HINTS
from hub.domain.cdrs.record import CdrAnswer, CdrRecord, Finding, Step
from hub.rpc.meter_wire import evidence_to_pb
from hub.rpc.wire import fill_time, party_to_pb


def answer_to_pb(answer: CdrAnswer) -> cdr_pb2.SubmitCdrResponse:
    """Return what a submission is answered."""
    response = cdr_pb2.SubmitCdrResponse(state=cdr_pb2.CdrState.ValueType(answer.state))
    _fill_receipt(response.receipt, answer)
    if answer.findings:
        response.findings.extend(_findings(answer.findings))
    if answer.deadline is not None:
        fill_time(response.deadline, answer.deadline)
    if answer.rated is not None:
        response.rated_cost.value = str(answer.rated)
    return response


def record_to_pb(record: CdrRecord) -> cdr_pb2.CdrRecord:
    """Return the message of a CDR on record."""
    made = cdr_pb2.CdrRecord(
        cdr=cdr_object_pb2.Cdr.FromString(record.document),
        state=cdr_pb2.CdrState.ValueType(record.answer.state),
        findings=_findings(record.answer.findings),
        emsp=party_to_pb(record.emsp),
        agreement=record.agreement,
        awaited=party_to_pb(record.awaited),
        history=[_step(step) for step in record.steps],
        replaces=record.replaces,
        replaced_by=record.replaced_by,
        statement=record.statement,
    )
    _fill_receipt(made.receipt, record.answer)
    if record.answer.deadline is not None:
        fill_time(made.deadline, record.answer.deadline)
    if record.answer.rated is not None:
        made.rated_cost.value = str(record.answer.rated)
    if record.meter is not None:
        made.meter.CopyFrom(evidence_to_pb(record.meter))
    return made


def _step(step: Step) -> cdr_pb2.CdrStep:
    made = cdr_pb2.CdrStep(
        state=cdr_pb2.CdrState.ValueType(step.state),
        journal_index=step.index,
        cause=step.cause,
        note=step.note,
        findings=_findings(step.findings),
    )
    fill_time(made.recorded_time, step.time)
    return made


#: By the code as it is stored: a check of an earlier release may be gone.
_HINTS: Mapping[str, str] = {str(check): hint for check, hint in FIX_HINTS.items()}


def _fill_receipt(receipt: cdr_pb2.ClearingReceipt, answer: CdrAnswer) -> None:
    # Setting fields costs a third of handing messages to a constructor, and every submission is answered with one.
    receipt.journal_index = answer.receipt.index
    receipt.leaf_hash = answer.receipt.leaf_hash
    fill_time(receipt.recorded_time, answer.recorded_time)


def _findings(findings: Sequence[Finding]) -> list[cdr_pb2.CdrFinding]:
    return [
        cdr_pb2.CdrFinding(
            code=finding.code,
            severity=cdr_pb2.FindingSeverity.ValueType(finding.severity),
            field=finding.field,
            message=finding.message,
            fix_hint=_HINTS.get(finding.code, ""),
        )
        for finding in findings
    ]
