"""All checks of a CDR, and what their findings lead to under the agreement."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from hub.domain.agreements import CheckAction
from hub.domain.cdrs.checks.charges import check_charge
from hub.domain.cdrs.checks.codes import DEFAULT_ACTIONS, Check
from hub.domain.cdrs.checks.credits import check_credit
from hub.domain.cdrs.checks.known import Known, KnownNeighbours
from hub.domain.cdrs.checks.neighbours import shared
from hub.domain.cdrs.record import Cdr, CdrState, Finding, Severity

#: How many findings of one code are told about a CDR.
_ALIKE_MAX = 20


def examine(cdr: Cdr, known: Known, actions: Mapping[str, CheckAction]) -> tuple[Finding, ...]:
    """Run every check.

    Args:
        cdr: The CDR.
        known: What the hub knows.
        actions: The agreement's action by check code; the default stands for those it leaves out.

    Returns:
        What was found, in the order of the checks; errors are those that lead to the CDR's quarantine or return.
    """
    findings = []
    for check, field, message in check_credit(cdr, known) if cdr.credit else check_charge(cdr, known):
        action = _action(check, actions)
        if action is not CheckAction.ACCEPT:
            severity = Severity.WARNING if action is CheckAction.WARN else Severity.ERROR
            findings.append(Finding(code=check, severity=severity, field=field, message=message))
    return tuple(findings if len(findings) <= _ALIKE_MAX else _few_of_each(findings))


def _few_of_each(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the first findings of each code; the last of them says how many more there are.

    A CDR may name ten thousand tariffs, and who has to put it right reads no more than some.
    """
    left = Counter(finding.code for finding in findings)
    told: Counter[str] = Counter()
    for finding in findings:
        left[finding.code] -= 1
        told[finding.code] += 1
        if told[finding.code] == _ALIKE_MAX and left[finding.code]:
            yield replace(finding, message=f"{finding.message}; {left[finding.code]} more are like it")
        elif told[finding.code] <= _ALIKE_MAX:
            yield finding


def compare_anew(found: KnownNeighbours, actions: Mapping[str, CheckAction], *, session: bool) -> tuple[Finding, ...]:
    """Return what a charge that its eMSP has accepted shares with others; all of it warns, as the decision stands."""
    return tuple(
        Finding(code=check, severity=Severity.WARNING, field=field, message=message)
        for check, field, message in shared(found, session=session)
        if _action(check, actions) is not CheckAction.ACCEPT
    )


def decide(findings: Sequence[Finding], actions: Mapping[str, CheckAction], *, credit: bool) -> CdrState:
    """Return what becomes of a CDR with these findings of `examine`: one that returns it outweighs all that hold it."""
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if not errors:
        return CdrState.ACCEPTED
    if credit or any(_action(Check(error.code), actions) is CheckAction.RETURN for error in errors):
        return CdrState.RETURNED
    return CdrState.QUARANTINED


#: Without these there is nothing that the credit could undo: whatever the agreement says, it is returned.
_BINDING = frozenset({Check.CREDIT_ORIGINAL_UNKNOWN, Check.CREDIT_REPEATED, Check.CREDIT_MISMATCH})


def _action(check: Check, actions: Mapping[str, CheckAction]) -> CheckAction:
    if check in _BINDING:
        return CheckAction.RETURN
    return actions.get(check) or DEFAULT_ACTIONS[check]
