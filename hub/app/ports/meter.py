"""Verifying signed meter values."""

from collections.abc import Sequence
from typing import Protocol

from hub.domain.meter.model import Entry, Verdict


class MeterVerifier(Protocol):
    """Says of signed meter documents whether their signatures hold and whether they may be billed."""

    def verify(self, documents: Sequence[Entry], trusted_keys: Sequence[str]) -> tuple[Verdict, ...]:
        """Return a verdict per document, in order.

        Args:
            documents: What `hub.domain.meter.documents` read.
            trusted_keys: Public keys that are trusted for these documents, such as those registered for the EVSE: hex
                or Base64, as SPKI DER or as the bare point. Without any, nothing is billable.

        Raises:
            Invalid: A trusted key is none.
        """
        ...
