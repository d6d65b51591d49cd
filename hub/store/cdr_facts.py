"""What the checks of CDRs ask of the rest of the hub."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from hub.app.directory import Directory
from hub.app.ports.cdrs import AuthorizationKey, Proof
from hub.domain.cdrs.checks import KnownAuthorization
from hub.domain.ids import ObjectId
from hub.domain.tokens import TokenKey
from hub.store.authorizations import StoredAuthorizations
from hub.store.cdr_meter import find_proofs
from hub.store.session import Session
from hub.store.tokens import StoredTokens


class StoredCdrFacts:
    """Implements `hub.app.ports.cdrs.CdrFacts`."""

    def __init__(self, session: Session, directory: Callable[[], Directory]) -> None:
        self._session = session
        self._directory = directory

    def authorizations(self, quoted: Iterable[AuthorizationKey]) -> Mapping[AuthorizationKey, KnownAuthorization]:
        """Return the answers that CPOs quote, each by the CPO and the reference."""
        parties, numbers = self._directory().parties, self._directory().by_number
        keys = {(parties[cpo].number, reference) for cpo, reference in quoted if cpo in parties}
        found = StoredAuthorizations(self._session, self._directory).find_many(keys) if keys else {}
        return {
            (numbers[cpo].id, reference): KnownAuthorization(
                cpo=numbers[cpo].id, emsp=numbers[facts.emsp].id, token_uid=facts.token_uid, allowed=facts.allowed
            )
            for (cpo, reference), facts in found.items()
            if facts.emsp is not None
        }

    def tokens(self, tokens: Iterable[TokenKey]) -> frozenset[TokenKey]:
        """Return those that their eMSP has published."""
        return StoredTokens(self._session, self._directory).published(set(tokens))

    def proofs(self, proofs: Iterable[Proof]) -> Mapping[Proof, Sequence[ObjectId]]:
        """Return the CDRs on record that the same signed values came with."""
        return find_proofs(self._session, self._directory(), proofs)
