"""The code of each check and what happens by default; `hints` says what to do about each, docs/cdr-checks.md both."""

from collections.abc import Iterator, Mapping
from enum import StrEnum

from hub.domain.agreements import CheckAction


class Check(StrEnum):
    """The code of each check."""

    AUTHORIZATION_UNKNOWN = "AUTHORIZATION_UNKNOWN"
    AUTHORIZATION_MISMATCH = "AUTHORIZATION_MISMATCH"
    TOKEN_UNKNOWN = "TOKEN_UNKNOWN"  # noqa: S105 - a code
    SESSION_UNKNOWN = "SESSION_UNKNOWN"
    SESSION_MISMATCH = "SESSION_MISMATCH"
    LOCATION_UNKNOWN = "LOCATION_UNKNOWN"
    EVSE_UNKNOWN = "EVSE_UNKNOWN"
    CONNECTOR_UNKNOWN = "CONNECTOR_UNKNOWN"
    TIMES_DISORDERED = "TIMES_DISORDERED"
    AGE_EXCEEDED = "AGE_EXCEEDED"
    LATE = "LATE"
    CURRENCY_MISMATCH = "CURRENCY_MISMATCH"
    ENERGY_SUM_MISMATCH = "ENERGY_SUM_MISMATCH"
    TIME_SUM_MISMATCH = "TIME_SUM_MISMATCH"
    ENERGY_IMPOSSIBLE = "ENERGY_IMPOSSIBLE"
    ENERGY_EXCEEDS_POWER = "ENERGY_EXCEEDS_POWER"
    METER_DATA_MISSING = "METER_DATA_MISSING"
    METER_DATA_UNREADABLE = "METER_DATA_UNREADABLE"
    METER_SIGNATURE_UNSUPPORTED = "METER_SIGNATURE_UNSUPPORTED"
    METER_SIGNATURE_INVALID = "METER_SIGNATURE_INVALID"
    METER_KEY_MISMATCH = "METER_KEY_MISMATCH"
    METER_KEY_UNKNOWN = "METER_KEY_UNKNOWN"
    METER_KEY_LATE = "METER_KEY_LATE"
    METER_NOT_BILLABLE = "METER_NOT_BILLABLE"
    METER_ENERGY_MISMATCH = "METER_ENERGY_MISMATCH"
    METER_TIME_MISMATCH = "METER_TIME_MISMATCH"
    METER_USER_MISMATCH = "METER_USER_MISMATCH"
    METER_DATA_REUSED = "METER_DATA_REUSED"
    TARIFF_UNKNOWN = "TARIFF_UNKNOWN"
    TARIFF_MISMATCH = "TARIFF_MISMATCH"
    TARIFF_BACKDATED = "TARIFF_BACKDATED"
    PRICE_UNCHECKED = "PRICE_UNCHECKED"
    PRICE_MISMATCH = "PRICE_MISMATCH"
    COST_PARTS_MISMATCH = "COST_PARTS_MISMATCH"
    TAX_MISMATCH = "TAX_MISMATCH"
    NEAR_DUPLICATE = "NEAR_DUPLICATE"
    TOKEN_OVERLAP = "TOKEN_OVERLAP"  # noqa: S105 - a code
    EVSE_OVERLAP = "EVSE_OVERLAP"
    CREDIT_ORIGINAL_UNKNOWN = "CREDIT_ORIGINAL_UNKNOWN"
    CREDIT_REPEATED = "CREDIT_REPEATED"
    CREDIT_NOT_FULL = "CREDIT_NOT_FULL"
    CREDIT_MISMATCH = "CREDIT_MISMATCH"


#: What happens when the agreement says nothing.
DEFAULT_ACTIONS: Mapping[Check, CheckAction] = {
    **dict.fromkeys(Check, CheckAction.RETURN),
    # OCPI leaves session_id out of most CDRs, and clocks of chargers drift within a period.
    Check.SESSION_UNKNOWN: CheckAction.WARN,
    Check.TIME_SUM_MISMATCH: CheckAction.WARN,
    Check.CONNECTOR_UNKNOWN: CheckAction.WARN,
    # It is settled in the next period; what is too old has a check of its own.
    Check.LATE: CheckAction.WARN,
    # Compared with what the CPO publishes, which is wrong more often than meters are.
    Check.ENERGY_EXCEEDS_POWER: CheckAction.WARN,
    # OCPI makes signed values optional, and most stations of the world sign nothing.
    Check.METER_DATA_MISSING: CheckAction.ACCEPT,
    # They prove nothing, as if they were missing, but contradict nothing either. Who demands proof says RETURN.
    Check.METER_DATA_UNREADABLE: CheckAction.WARN,
    Check.METER_SIGNATURE_UNSUPPORTED: CheckAction.WARN,
    Check.METER_KEY_UNKNOWN: CheckAction.WARN,
    Check.METER_KEY_LATE: CheckAction.WARN,
    Check.METER_NOT_BILLABLE: CheckAction.WARN,
    # Clocks of meters drift.
    Check.METER_TIME_MISMATCH: CheckAction.WARN,
    # Some readers turn the bytes of a card's uid around.
    Check.METER_USER_MISMATCH: CheckAction.WARN,
    # The total before taxes alone is settled; what surrounds it is worth a look.
    Check.TARIFF_UNKNOWN: CheckAction.WARN,
    Check.TARIFF_MISMATCH: CheckAction.WARN,
    # Late it may be out of carelessness.
    Check.TARIFF_BACKDATED: CheckAction.WARN,
    Check.PRICE_UNCHECKED: CheckAction.WARN,
    Check.COST_PARTS_MISMATCH: CheckAction.WARN,
    Check.TAX_MISMATCH: CheckAction.WARN,
    # Fleets share cards; stations are published with too few EVSEs; and of two it may be the first that is wrong.
    Check.TOKEN_OVERLAP: CheckAction.WARN,
    Check.EVSE_OVERLAP: CheckAction.WARN,
}

#: The checks that need our own price; an agreement that switches all of them off spares the hub the work.
PRICE_CHECKS = frozenset(
    {
        Check.TARIFF_UNKNOWN,
        Check.TARIFF_MISMATCH,
        Check.PRICE_UNCHECKED,
        Check.PRICE_MISMATCH,
        Check.COST_PARTS_MISMATCH,
        Check.TAX_MISMATCH,
    }
)

#: What a check found: its code, the field's path in the CDR, and words about it.
Found = Iterator[tuple[Check, str, str]]
