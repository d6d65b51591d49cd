"""The partner SDK: what a CPO's or eMSP's back end imports to roam through a hub. See docs/partner-sdk.md."""

from adapters.partner import errors
from adapters.partner.handler import Handler, correlation_id
from adapters.partner.journal import decode
from adapters.partner.partner import Partner, party
from adapters.partner.registration import Invitation, register

__all__ = ["Handler", "Invitation", "Partner", "correlation_id", "decode", "errors", "party", "register"]
