"""The clearing item: the facts of one accepted CDR, or of the credit of one, that settlement rests on.

An item is the `settlement` field of its journal leaf, so each statement can be recomputed from leaves that the tree
proves. It holds what was measured and agreed (amount, place, date), never what is derived from it (tax, rounding): that
comes with the statement.
"""

import re
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from hub.domain.canonical import Fields, MalformedDocument, expect_format, load, quoted
from hub.domain.clearing.amounts import e4_text, parse_e4
from hub.domain.ids import PartyId

FORMAT = "roamhub.clearing-item.v1"

#: OCPI's TariffType values; an unknown or absent one counts as REGULAR.
TARIFF_KINDS = frozenset({"AD_HOC_PAYMENT", "PROFILE_CHEAP", "PROFILE_FAST", "PROFILE_GREEN", "REGULAR"})

_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2,3}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearingItem:
    """What one accepted CDR contributes to a statement.

    Attributes:
        agreement: Resource name of the agreement it falls under.
        cdr: The CDR's key, `NL-ABC/id` in the sender's spelling.
        creditor: The party that is owed: the CPO.
        debtor: The party that owes: the eMSP.
        currency: ISO 4217 code of the CDR.
        country: Country of the location, ISO 3166-1 alpha-2 or alpha-3 as OCPI has it.
        tariff_kind: One of `TARIFF_KINDS`.
        tax_date: Local date of the session's end in the agreement's zone; its month is the line's original month.
        amount: Total cost before taxes, in ten-thousandths of the currency; negative on a credit.
        energy: Energy in ten-thousandths of a kWh; negative on a credit.
        credit_of: Key of the CDR that this credits in full; empty on a charge.
    """

    agreement: str
    cdr: str
    creditor: PartyId
    debtor: PartyId
    currency: str
    country: str
    tariff_kind: str
    tax_date: date
    amount: int
    energy: int
    credit_of: str = ""

    def __post_init__(self) -> None:
        _check_kind(self.currency, self.country, self.tariff_kind)
        if not self.agreement or not self.cdr or self.creditor == self.debtor:
            raise ValueError("an item names its agreement, its CDR and two parties")

    @property
    def month(self) -> str:
        """The original month, such as `2026-09`."""
        return f"{self.tax_date:%Y-%m}"

    def credited(self, *, cdr: str) -> "ClearingItem":
        """Return the credit of this item under its own CDR key: the same in everything, amount and energy negated.

        OCPI negates only the total cost of a credit CDR; here every quantity is, so that the two add up to nothing in
        every bucket.

        Raises:
            ValueError: This is itself a credit.
        """
        if self.credit_of:
            raise ValueError("a credit cannot be credited")
        return replace(self, cdr=cdr, amount=-self.amount, energy=-self.energy, credit_of=self.cdr)

    def to_bytes(self) -> bytes:
        """Return the canonical document."""
        # Written out: every CDR makes one, and `dump` takes three times as long. Only what is quoted may hold anything.
        return (
            f'{{"format":"{FORMAT}","agreement":{quoted(self.agreement)},"cdr":{quoted(self.cdr)},'
            f'"creditor":"{self.creditor}","debtor":"{self.debtor}","currency":"{self.currency}",'
            f'"country":"{self.country}","tariff_kind":"{self.tariff_kind}","tax_date":"{self.tax_date.isoformat()}",'
            f'"amount":"{e4_text(self.amount)}","energy_kwh":"{e4_text(self.energy)}",'
            f'"credit_of":{quoted(self.credit_of)}}}'
        ).encode()

    @classmethod
    def from_bytes(cls, document: bytes) -> "ClearingItem":
        """Read the canonical document.

        Raises:
            MalformedDocument: It is not what `to_bytes` writes.
        """
        fields = Fields(load(document))
        expect_format(fields, FORMAT)
        try:
            item = cls(
                agreement=fields.text("agreement"),
                cdr=fields.text("cdr"),
                creditor=parse_party(fields.text("creditor")),
                debtor=parse_party(fields.text("debtor")),
                currency=fields.text("currency"),
                country=fields.text("country"),
                tariff_kind=fields.text("tariff_kind"),
                tax_date=parse_date(fields.text("tax_date")),
                amount=parse_e4(fields.text("amount")),
                energy=parse_e4(fields.text("energy_kwh")),
                credit_of=fields.text("credit_of"),
            )
        except MalformedDocument:
            raise
        except ValueError as error:
            raise MalformedDocument(str(error)) from None
        fields.end()
        return item


@lru_cache(maxsize=1_024)
def _check_kind(currency: str, country: str, tariff_kind: str) -> None:
    """Raise ValueError for what can be none of these; there are few, so that nearly all have been looked at before."""
    if not _CURRENCY.fullmatch(currency):
        raise ValueError("a currency is three capital letters")
    if not _COUNTRY.fullmatch(country):
        raise ValueError("a country is two or three capital letters")
    if tariff_kind not in TARIFF_KINDS:
        raise ValueError("an unknown tariff kind")


def parse_party(text: str) -> PartyId:
    """Read a party as `str(PartyId)` writes it, such as `NL-ABC`.

    Raises:
        ValueError: It is in any other form.
    """
    party = PartyId(text[:2], text[3:])
    if str(party) != text:
        raise ValueError("a party is written as NL-ABC")
    return party


def parse_date(text: str) -> date:
    """Read a date as `2026-09-14`.

    Raises:
        ValueError: It is in any other form.
    """
    day = date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError("a date is written as 2026-09-14")
    return day
