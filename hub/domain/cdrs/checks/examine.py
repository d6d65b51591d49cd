"""All checks of a CDR, and what their findings lead to under the agreement."""

from collections.abc import Mapping

from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks.charges import check_charge
from hub.domain.cdrs.checks.codes import DEFAULT_ACTIONS
from hub.domain.cdrs.checks.credits import check_credit
from hub.domain.cdrs.checks.known import Known
from hub.domain.cdrs.record import Cdr, Finding, Severity


def examine(cdr: Cdr, known: Known, actions: Mapping[str, CheckAction]) -> tuple[Finding, ...]:
    """Run every check.

    Args:
        cdr: The CDR.
        known: What the hub knows.
        actions: The agreement's action by check code; the default stands for those it leaves out.

    Returns:
        What was found, in the order of the checks; errors are those that lead to the CDR's return.
    """
    findings = []
    for check, field, message in check_credit(cdr, known) if cdr.credit else check_charge(cdr, known):
        action = actions.get(check) or DEFAULT_ACTIONS[check]
        if action is not CheckAction.ACCEPT:
            severity = Severity.WARNING if action is CheckAction.WARN else Severity.ERROR
            findings.append(Finding(code=check, severity=severity, field=field, message=message))
    return tuple(findings)
