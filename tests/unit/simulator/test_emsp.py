"""A simulated eMSP: it answers a statement when it knows of the CDRs in it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from google.type.decimal_pb2 import Decimal as PbDecimal
from roamhub.v1.cdr_object_pb2 import Cdr
from roamhub.v1.cdr_pb2 import CDR_STATE_ACCEPTED, CdrRecord
from roamhub.v1.common_pb2 import Price

from adapters.partner import party
from adapters.simulator.emsp import Emsp


class Following:
    """A partner whose journal tells of CDRs when a test says so."""

    def __init__(self) -> None:
        self.news: asyncio.Queue[CdrRecord] = asyncio.Queue()

    @property
    def journal(self) -> "Following":
        return self

    async def cdrs(self) -> AsyncIterator[CdrRecord]:
        while True:
            yield await self.news.get()


def record(cost: str) -> CdrRecord:
    cdr = Cdr(currency="EUR", total_cost=Price(before_taxes=PbDecimal(value=cost)))
    return CdrRecord(state=CDR_STATE_ACCEPTED, cdr=cdr)


async def test_a_statement_that_is_ahead_of_the_journal_waits_for_its_cdrs() -> None:
    partner: Any = Following()
    emsp = Emsp(partner, party("DE-XYZ"), [], Path())
    counting = asyncio.create_task(emsp.count_cdrs())
    waiting = asyncio.create_task(emsp._caught_up(2))
    partner.news.put_nowait(record("1.10"))
    while not emsp._count:
        await asyncio.sleep(0)
    assert not waiting.done()
    partner.news.put_nowait(record("2.20"))
    await waiting
    assert emsp._count == 2
    counting.cancel()
