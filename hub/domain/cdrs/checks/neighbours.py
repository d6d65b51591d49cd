"""What a charge shares with others: its session, its token or its EVSE at the same time.

Others are accepted charges that have not been credited. Findings are seen by both sides of a CDR: one between other
parties is not named.
"""

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.record import Cdr


def check_neighbours(cdr: Cdr, known: Known) -> Found:
    """Yield whose session, token or EVSE a charge claims as well."""
    found = known.neighbours
    if found is None:
        return
    if found.twin is not None:
        yield (
            Check.NEAR_DUPLICATE,
            "session_id" if cdr.session_id else "id",
            f"the session was accepted as {found.twin or 'another CDR'}",
        )
    if found.token is not None:
        yield (
            Check.TOKEN_OVERLAP,
            "cdr_token.uid",
            f"was charged at the same time in {found.token or 'another CDR'}",
        )
    if found.evse is not None:
        yield (
            Check.EVSE_OVERLAP,
            "cdr_location.evse_uid",
            f"served another session at the same time, in {found.evse or 'another CDR'}",
        )
