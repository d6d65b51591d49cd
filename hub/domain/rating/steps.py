"""step_size: what is rounded up to whole blocks, once per session (CDR object, *step_size*)."""

from dataclasses import dataclass
from decimal import Decimal

from hub.domain.rating.breakdown import LineKind, NoteCode
from hub.domain.rating.choose import Moment
from hub.domain.rating.compile import ENERGY, PARKING, TIME, Candidate
from hub.domain.rating.policy import TimeStepRule
from hub.domain.rating.sheet import Sheet

_ZERO = Decimal(0)
_WH_PER_KWH = Decimal(1000)
#: Less than a thousandth of a Wh, or of a second, is noise of the sender's arithmetic and buys no block.
_GRAIN = Decimal("0.001")


@dataclass(slots=True, kw_only=True)
class Usage:
    """The priced volume of one slot so far, in kWh or seconds, and who priced the last of it.

    `switched` says that an earlier component priced a part of it.
    """

    last: Candidate
    total: Decimal
    moment: Moment
    switched: bool = False

    def add(self, chosen: Candidate, quantity: Decimal, moment: Moment) -> None:
        """Count a further priced volume."""
        if chosen is not self.last:
            self.switched = True
            self.last = chosen
        self.total += quantity
        self.moment = moment


def add_steps(sheet: Sheet, usages: dict[int, Usage], rule: TimeStepRule) -> None:
    """Bill what is missing to whole steps, per dimension, at the price of its last priced component."""
    unstepped = _unstepped(usages, rule)
    for slot, usage in usages.items():
        extra = _to_whole_steps(usage, slot)
        if extra <= 0:
            continue
        if slot == unstepped:
            message = "charging time is not rounded up: only the last of charging and parking time is"
            if rule is TimeStepRule.PARKING_TAKES_IT:
                message = "charging time is not rounded up to its step_size because parking time was billed too"
            sheet.note(NoteCode.STEP_SIZE_LEFT_TO_PARKING, message)
            continue
        if usage.switched:
            name, step = usage.last.dimension.value, usage.last.step_size
            message = f"{name} had several prices; the step size of the last one, {step}, rounds up the total once"
            sheet.note(NoteCode.STEP_SIZE_ON_SWITCH, message, about=slot)
        sheet.charge(LineKind.STEP, slot, extra, usage.last, usage.moment)


def _unstepped(usages: dict[int, Usage], rule: TimeStepRule) -> int | None:
    """Return which of TIME and PARKING_TIME, both priced, is billed as measured."""
    time, parking = usages.get(TIME), usages.get(PARKING)
    if time is None or parking is None or rule is TimeStepRule.EACH_DIMENSION:
        return None
    if rule is TimeStepRule.LAST_TIME_BASED and time.moment.index > parking.moment.index:
        return PARKING
    return TIME


def _to_whole_steps(usage: Usage, slot: int) -> Decimal:
    """Return what must be added, in the slot's unit, to reach a multiple of the last component's step."""
    step = usage.last.step_size
    if step == 0 or usage.total <= 0:
        return _ZERO
    total = usage.total * _WH_PER_KWH if slot == ENERGY else usage.total
    over = total % step
    if over < _GRAIN:
        return _ZERO
    extra = step - over
    return extra.scaleb(-3) if slot == ENERGY else extra
