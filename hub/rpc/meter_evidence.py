"""Verifying the signed meter values of CDRs as they arrive, so that nobody else has to wait for it."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from hub.app.cdrs.meter import MeterClaim, keys_for, prove
from hub.app.cdrs.submit import CdrSubmission
from hub.app.ports.meter import MeterVerifier
from hub.app.ports.spine import Reads
from hub.domain.cdrs.record import Cdr
from hub.domain.ids import fold
from hub.domain.locations import EvseKey
from hub.domain.meter.cdr import SignedData
from hub.domain.meter.evidence import MeterEvidence, documents_within_bounds
from hub.domain.meter.keys import MeterKey
from hub.domain.meter.model import Entry

R = TypeVar("R")

#: What is done on the event loop: so few verifications, and texts of so few characters. A verification holds the
#: interpreter's lock, so that a thread only helps where there is much to do: it lets others in between.
_VERIFICATIONS_AT_ONCE = 12
_CHARACTERS_AT_ONCE = 16 * 1024


class MeterExaminer:
    """Reads the keys that count, and verifies: little at once, much in a thread."""

    def __init__(self, *, reads: Reads, verifier: MeterVerifier) -> None:
        self._reads = reads
        self._verifier = verifier
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meter")

    async def examine(self, submissions: Sequence[CdrSubmission]) -> list[CdrSubmission]:
        """Return submissions with what their signed values prove; those without any, and credits, as they are."""
        found = list(submissions)
        claims = {
            place: MeterClaim(_evse(each.cdr), each.cdr.start_time, each.cdr.total_energy, each.signed)
            for place, each in enumerate(submissions)
            if each.signed is not None and not each.cdr.credit
        }
        if not claims:
            return found
        keys = await self._reads.run(lambda uow: keys_for(uow, list(claims.values())))
        done = 0
        for (place, claim), trusted in zip(claims.items(), keys, strict=True):
            evidence, cost = await self._prove(claim, trusted)
            found[place] = found[place]._replace(cdr=found[place].cdr._replace(meter=evidence), signed=None)
            done += cost
            if done > _VERIFICATIONS_AT_ONCE:
                done = 0
                await asyncio.sleep(0)
        return found

    async def _prove(self, claim: MeterClaim, keys: Sequence[MeterKey]) -> tuple[MeterEvidence, int]:
        """Return the evidence, and how many verifications it took on the event loop."""
        documents = await self._documents(claim.signed)
        cost = len(documents) * (len(keys) + 1)
        if cost > _VERIFICATIONS_AT_ONCE:
            return await self._in_thread(prove, self._verifier, documents, claim, keys), 0
        return prove(self._verifier, documents, claim, keys), cost

    async def _documents(self, signed: SignedData) -> tuple[Entry, ...]:
        if sum(len(value.signed_data) + len(value.plain_data) for value in signed.values) > _CHARACTERS_AT_ONCE:
            return await self._in_thread(documents_within_bounds, signed)
        return documents_within_bounds(signed)

    def _in_thread(self, work: Callable[..., R], *arguments: Any) -> "asyncio.Future[R]":  # noqa: ANN401
        return asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)

    def stop(self) -> None:
        """Finish what is being verified and end the thread."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _evse(cdr: Cdr) -> EvseKey:
    return EvseKey(cdr.id.party, fold(cdr.location_id), fold(cdr.evse_uid))
