"""Periods, statements and positions on the wire."""

from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from google.type.date_pb2 import Date
from google.type.decimal_pb2 import Decimal as PbDecimal
from google.type.money_pb2 import Money as PbMoney
from roamhub.v1 import clearing_pb2 as pb

from hub.app.clearing.periods import etag_of
from hub.app.clearing.statements import Answer
from hub.domain.acknowledgements import Acknowledgement, Decision, Reason
from hub.domain.agreements import Netting
from hub.domain.clearing.amounts import e4_text
from hub.domain.clearing.lines import Line
from hub.domain.clearing.periods import Period, PeriodState
from hub.domain.clearing.positions import Position, Transfer
from hub.domain.clearing.records import AcknowledgementRecord, StatementRecord, StatementState
from hub.domain.errors import invalid
from hub.domain.money import EXACT, Money
from hub.domain.statements import parse_statement
from hub.rpc.wire import Reader, party_to_pb, time_to_pb

E = TypeVar("E", bound=StrEnum)


def _numbers(enum: type[E], values: Any, prefix: str) -> dict[int, E]:  # noqa: ANN401 - a generated enum
    return {values.Value(f"{prefix}_{member.name}"): member for member in enum}


PERIOD_STATES = _numbers(PeriodState, pb.Period.State, "STATE")
STATEMENT_STATES = _numbers(StatementState, pb.Statement.State, "STATE")
DECISIONS = _numbers(Decision, pb.Acknowledgement.Decision, "DECISION")
NETTINGS = _numbers(Netting, pb.ListPositionsRequest.Netting, "NETTING")

_PERIOD_NUMBERS = {state: number for number, state in PERIOD_STATES.items()}
_STATEMENT_NUMBERS = {state: number for number, state in STATEMENT_STATES.items()}
_DECISION_NUMBERS = {decision: number for number, decision in DECISIONS.items()}


def period_to_pb(period: Period) -> pb.Period:
    """Return the message of a period."""
    made = pb.Period(
        name=period.name,
        state=_PERIOD_NUMBERS[period.state],  # type: ignore[arg-type]
        creditor=party_to_pb(period.creditor),
        debtor=party_to_pb(period.debtor),
        agreement_version=period.agreement_version,
        time_zone=period.time_zone,
        start_time=time_to_pb(period.start_time),
        end_time=time_to_pb(period.end_time),
        first_index=period.first_index,
        end_index=period.end_index,
        manifest=period.manifest,
        cdr_count=period.cdr_count,
        prepared_by=period.prepared_by,
        reviewed_by=period.reviewed_by,
        issued_by=period.issued_by,
        etag=etag_of(period),
    )
    if period.cut_off_time is not None:
        made.cut_off_time.CopyFrom(time_to_pb(period.cut_off_time))
    if period.issue_time is not None:
        made.issue_time.CopyFrom(time_to_pb(period.issue_time))
    return made


def statement_to_pb(statement: StatementRecord) -> pb.Statement:
    """Return the message of a statement without its document, as lists have it."""
    currency = statement.currency
    made = pb.Statement(
        name=statement.name,
        state=_STATEMENT_NUMBERS[statement.state],  # type: ignore[arg-type]
        creditor=party_to_pb(statement.creditor),
        debtor=party_to_pb(statement.debtor),
        digest=statement.digest,
        cdr_count=statement.cdr_count,
        net=money_to_pb(Money(minor=statement.net, currency=currency)),
        tax=money_to_pb(Money(minor=statement.tax, currency=currency)),
        payable=money_to_pb(Money(minor=statement.payable, currency=currency)),
        issue_index=statement.issue_index,
    )
    if statement.issue_time is not None:
        made.issue_time.CopyFrom(time_to_pb(statement.issue_time))
    return made


def whole_statement_to_pb(statement: StatementRecord, answers: list[AcknowledgementRecord]) -> pb.Statement:
    """Return the message of a statement with all there is to it."""
    made = statement_to_pb(statement)
    made.document = statement.document
    made.envelope = statement.envelope
    lines = parse_statement(statement.document).lines
    made.lines.extend(_line(number, line, statement.currency) for number, line in enumerate(lines, start=1))
    made.acknowledgements.extend(_acknowledgement(each) for each in answers)
    return made


def _line(number: int, line: Line, currency: str) -> pb.StatementLine:
    month = date.fromisoformat(f"{line.key.month}-01")
    return pb.StatementLine(
        number=number,
        country_code=line.key.country,
        tariff_kind=line.key.tariff_kind,
        tax_category=line.key.tax_category,
        tax_rate=PbDecimal(value=line.key.tax_rate),
        month=Date(year=month.year, month=month.month),
        cdr_count=line.cdr_count,
        credit_count=line.credit_count,
        late_count=line.late_count,
        energy_kwh=PbDecimal(value=e4_text(line.energy)),
        exact_amount=PbDecimal(value=e4_text(line.exact)),
        net=money_to_pb(Money(minor=line.net, currency=currency)),
    )


def _acknowledgement(record: AcknowledgementRecord) -> pb.Acknowledgement:
    said = Acknowledgement.from_bytes(record.document)
    return pb.Acknowledgement(
        party=party_to_pb(record.party),
        decision=_DECISION_NUMBERS[said.decision],  # type: ignore[arg-type]
        lines=said.lines,
        reasons=[pb.Acknowledgement.Reason(code=reason.code, text=reason.text) for reason in said.reasons],
        record_time=time_to_pb(record.recorded_time),
        envelope=record.envelope,
    )


def answer_from_pb(request: pb.AcknowledgeStatementRequest) -> Answer:
    """Read a party's answer.

    Raises:
        Invalid: A field breaks a rule.
    """
    reader = Reader()
    party = reader.party("party", request.party.country_code, request.party.party_id)
    decision = reader.one_of("decision", request.decision, DECISIONS, Decision.REJECT) if request.decision else None
    reader.done()
    return Answer(
        name=request.name,
        party=party,
        digest=request.digest,
        decision=decision,
        lines=tuple(request.lines),
        reasons=tuple(Reason(code=reason.code, text=reason.text) for reason in request.reasons),
        envelope=request.envelope,
    )


def position_to_pb(position: Position) -> pb.ListPositionsResponse.Position:
    """Return the message of a party's net."""
    return pb.ListPositionsResponse.Position(party=party_to_pb(position.party), net=money_to_pb(position.net))


def transfer_to_pb(transfer: Transfer) -> pb.ListPositionsResponse.Transfer:
    """Return the message of a payment that is due."""
    return pb.ListPositionsResponse.Transfer(
        payer=party_to_pb(transfer.payer), payee=party_to_pb(transfer.payee), amount=money_to_pb(transfer.amount)
    )


def money_to_pb(money: Money) -> PbMoney:
    """Return the message of an amount; units and nanos share its sign."""
    units, rest = divmod(abs(money.decimal()), 1)
    nanos = int(Decimal(rest).scaleb(9, context=EXACT))
    sign = -1 if money.minor < 0 else 1
    return PbMoney(currency_code=money.currency, units=sign * int(units), nanos=sign * nanos)


def parent_agreement(parent: str) -> str | None:
    """Return the agreement of `agreements/{agreement}`; None for `agreements/-`.

    Raises:
        Invalid: It is neither.
    """
    kind, _, name = parent.partition("/")
    if kind != "agreements" or not name or "/" in name:
        raise invalid("parent", "must be agreements/{agreement}, or agreements/- for all")
    return None if name == "-" else parent


def parent_period(parent: str) -> tuple[str | None, str | None]:
    """Return agreement and period of `agreements/{agreement}/periods/{period}`; None where there is a `-`.

    Raises:
        Invalid: It is no such name, or has a `-` for the agreement and a period.
    """
    parts = parent.split("/")
    if len(parts) != 4 or parts[0] != "agreements" or parts[2] != "periods" or not parts[1] or not parts[3]:
        raise invalid("parent", "must be agreements/{agreement}/periods/{period}, with - for any")
    if parts[1] == "-" and parts[3] != "-":
        raise invalid("parent", "names a period without its agreement")
    agreement = None if parts[1] == "-" else f"agreements/{parts[1]}"
    return agreement, None if parts[3] == "-" else parent
