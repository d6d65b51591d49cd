"""Agreements and terms for tests."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from hub.app.ports.clearing import ClearingSettings, Notary
from hub.domain.agreements import Agreement, Terms, accept, proposed
from hub.domain.clearing.taxes import TaxTable
from hub.domain.ids import PartyId

CPO = PartyId("NL", "CPO")
EMSP = PartyId("DE", "MSP")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TERMS = Terms(currency="EUR", time_zone="Europe/Amsterdam", start=NOW)


def clearing_settings() -> ClearingSettings:
    """Return the settings of a hub that opens periods and signs nothing."""
    no_tables: dict[str, TaxTable] = {}
    return ClearingSettings(notary=cast(Notary, None), tax_tables=no_tables.get, tz_version="2026.1")


def terms(**changes: Any) -> Terms:
    return replace(TERMS, **changes)


def proposal(**changes: Any) -> Agreement:
    return proposed("0198", (CPO, EMSP), CPO, terms(**changes), NOW)


def active(**changes: Any) -> Agreement:
    return accept(proposal(**changes), EMSP, NOW, None)
