"""What is checked about a credit: it undoes what was accepted; where and when that was has been checked then."""

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.record import Cdr
from hub.domain.clearing.amounts import to_e4


def check_credit(cdr: Cdr, known: Known) -> Found:
    """Yield what is wrong with a credit."""
    original = known.original
    if original is None or original.credit:
        yield (
            Check.CREDIT_ORIGINAL_UNKNOWN,
            "credit_reference_id",
            "is no CDR of this CPO that can be credited",
        )
        return
    if original.credited:
        yield Check.CREDIT_REPEATED, "credit_reference_id", "has been credited already"
    if original.emsp != cdr.emsp or original.currency != cdr.currency:
        yield Check.CREDIT_MISMATCH, "credit_reference_id", "was for another eMSP or in another currency"
    if to_e4(cdr.total_cost) != -original.amount:
        yield Check.CREDIT_NOT_FULL, "total_cost", "is not the original's total cost negated"
    taxed = cdr.after_taxes
    if taxed is not None and original.after_taxes is not None and taxed != -original.after_taxes:
        yield Check.CREDIT_MISMATCH, "total_cost.after_taxes", "is not the original's negated"
    if to_e4(cdr.total_energy) != original.energy:
        yield Check.CREDIT_MISMATCH, "total_energy", "is not the original's; a credit negates the total cost alone"
