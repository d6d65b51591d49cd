"""What a charge shares with others: its session, its token or its EVSE at the same time.

Others are accepted charges that have not been credited. Findings are seen by both sides of a CDR: one between other
parties is not named.
"""

from hub.domain.cdrs.checks.codes import Check, Found
from hub.domain.cdrs.checks.known import KnownNeighbours


def shared(found: KnownNeighbours, *, session: bool) -> Found:
    """Yield what a charge shares with others; `session` says whether it names one."""
    if found.twin is not None:
        yield (
            Check.NEAR_DUPLICATE,
            "session_id" if session else "id",
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
