"""What to do about what a check found: told with the finding, and shown in docs/cdr-checks.md in the same words."""

from collections.abc import Mapping

from hub.domain.cdrs.checks.codes import Check

#: For people; one for every check.
FIX_HINTS: Mapping[Check, str] = {
    Check.AUTHORIZATION_UNKNOWN: (
        "Quote what the hub's answer gave, or what came with the command that started the session, or leave "
        "the field out where the session was not authorized through the hub; the token is looked up then."
    ),
    Check.AUTHORIZATION_MISMATCH: (
        "Quote the answer that let this very session begin. A session that began without a yes is between the "
        "two parties: agree, and have the check set to WARN."
    ),
    Check.TOKEN_UNKNOWN: (
        "CPO: quote the authorization. eMSP: publish the token, also one that is no longer valid; charges of "
        "the past need it."
    ),
    Check.SESSION_UNKNOWN: (
        "Report sessions before their CDR, under the same id. OCPI makes both optional, hence a warning only."
    ),
    Check.SESSION_MISMATCH: "Correct session_id or cdr_token; session ids must not be used twice.",
    Check.LOCATION_UNKNOWN: (
        "Publish the location. Where private locations are meant to stay so, have the check set to WARN or ACCEPT."
    ),
    Check.EVSE_UNKNOWN: (
        "Publish the EVSE, or correct the uid: it is the uid, not the evse_id. EVSEs that are gone stay known "
        "as REMOVED."
    ),
    Check.CONNECTOR_UNKNOWN: (
        "Correct either; connectors are renumbered often and carry no money, hence a warning only."
    ),
    Check.TIMES_DISORDERED: "Correct the clock of the station or the periods.",
    Check.AGE_EXCEEDED: "Settle it outside of the hub, or agree on a longer age first.",
    Check.LATE: (
        "Nothing: the charge joins the open period, in a line of its original month, and the statement counts it as "
        "late. Send CDRs sooner; an agreement may set RETURN, or limit the age."
    ),
    Check.CURRENCY_MISMATCH: "Bill in the agreement's currency, or amend the agreement.",
    Check.ENERGY_SUM_MISMATCH: ("Correct whichever is wrong. Each period may be off by rounding to four decimals."),
    Check.TIME_SUM_MISMATCH: (
        "Correct whichever is wrong. Each period may be off by rounding; periods without any time are not compared."
    ),
    Check.ENERGY_IMPOSSIBLE: "Send kWh, not Wh; correct the times.",
    Check.ENERGY_EXCEEDS_POWER: ("Correct the energy, the times, or the power that is published for the connector."),
    Check.METER_DATA_MISSING: (
        "Send the meter's signed values in signed_data where the agreement demands them, or agree on another action."
    ),
    Check.METER_DATA_UNREADABLE: (
        "Send each document as the meter wrote it, plain or in Base64: OCMF, PCDF or EDL40, bare or in SAFE's XML."
    ),
    Check.METER_SIGNATURE_UNSUPPORTED: (
        "Nothing can be done at the station: docs/meter.md lists what is verified. Agree with the partner on ACCEPT."
    ),
    Check.METER_SIGNATURE_INVALID: (
        "Send the exact bytes that the meter signed. Where they are, they were changed, or the registered key is wrong."
    ),
    Check.METER_KEY_MISMATCH: (
        "Register the key of the meter that is there now, from the day on which it was exchanged, and submit again."
    ),
    Check.METER_KEY_UNKNOWN: (
        "Register the meter's key for this EVSE with MeterKeyService; a key that comes along with a CDR proves nothing."
    ),
    Check.METER_KEY_LATE: (
        "Register keys before sessions take place. eMSP: ask for the meter's papers where this goes on."
    ),
    Check.METER_NOT_BILLABLE: (
        "Look up the reasons in docs/meter.md. Send the documents of the whole transaction, its begin and its end."
    ),
    Check.METER_ENERGY_MISMATCH: (
        "Correct total_energy, or send the signed values of this very session; docs/meter.md tells the tolerance."
    ),
    Check.METER_TIME_MISMATCH: (
        "Correct the clock of the meter or of the back end, or send the signed values of this very session."
    ),
    Check.METER_USER_MISMATCH: (
        "Send the CDR for the token that was used, or the signed values of this very session. Have the station write "
        "the uid of a card in the order in which the eMSP publishes it."
    ),
    Check.METER_DATA_REUSED: (
        "Send the signed values of this very session. Where the other CDR was wrong, credit it first."
    ),
    Check.TARIFF_UNKNOWN: (
        "Publish the tariff before it prices sessions, or correct its id. Until then the CDR is rated by the "
        "tariff inside it."
    ),
    Check.TARIFF_MISMATCH: (
        "Publish a change of prices before it takes effect, and copy into the CDR what was published. The "
        "published prices count."
    ),
    Check.TARIFF_BACKDATED: (
        "Publish a change of prices before it takes effect. The CDR was rated by what was published last; eMSP: ask "
        "what the driver was shown, and have the check set to RETURN where this goes on."
    ),
    Check.PRICE_UNCHECKED: (
        "Name a published tariff in the CDR. Ask ExplainCdr where the message does not suffice; where no "
        "tariff is meant to be told, have the check set to ACCEPT."
    ),
    Check.PRICE_MISMATCH: (
        "Bill what the tariff says. ExplainCdr shows each line of our sum; where the tariff is read "
        "differently, agree on another pricing policy or tolerance."
    ),
    Check.COST_PARTS_MISMATCH: ("Correct the part, or leave it out: only the total before taxes is settled."),
    Check.TAX_MISMATCH: (
        "Correct the vat of the tariff or of the CDR. Statements apply their own table of taxes to the total "
        "before taxes."
    ),
    Check.NEAR_DUPLICATE: (
        "Nothing, if it is the same charge sent once more: the first stands. To correct the first, credit it in full, "
        "then send this one again under a new id."
    ),
    Check.TOKEN_OVERLAP: (
        "CPO: check the times of both. eMSP: a card that several cars use explains it; otherwise one may have been "
        "copied, and should be blocked. Where cards are shared, have the check set to ACCEPT."
    ),
    Check.EVSE_OVERLAP: (
        "Correct the times of the one that is wrong: credit it and send it again. Where two connectors serve two cars "
        "at once, publish them as two EVSEs, as OCPI defines one."
    ),
    Check.CREDIT_ORIGINAL_UNKNOWN: "Correct the id. What was returned needs no credit; a credit cannot be credited.",
    Check.CREDIT_REPEATED: "Nothing: the first credit stands.",
    Check.CREDIT_NOT_FULL: "Credit in full, then send the corrected charge as a CDR of its own.",
    Check.CREDIT_MISMATCH: "Copy the original: a credit negates the total cost and nothing else.",
}
