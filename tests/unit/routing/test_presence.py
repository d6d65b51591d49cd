"""Who counts as reachable, and when the change is recorded."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from hub.domain.errors import Unreachable
from hub.domain.ids import PartyId
from hub.routing.dialled import Endpoint
from hub.routing.presence import HealthPings, PresenceTracker

ONE, TWO = PartyId("NL", "ONE"), PartyId("NL", "TWO")
PLACE = Endpoint("127.0.0.1:1", "p.platforms.roamhub.internal")


class Sink:
    def __init__(self) -> None:
        self.changes: list[tuple[PartyId, bool]] = []
        self.failures = 0
        self.told = asyncio.Event()

    async def changed(self, changes: Sequence[tuple[PartyId, bool]]) -> None:
        if self.failures:
            self.failures -= 1
            raise Unreachable("STORAGE_FAILED", "no")
        self.changes += changes
        self.told.set()


@pytest.fixture
def sink() -> Sink:
    return Sink()


def make(sink: Sink, endpoints: Mapping[Endpoint, Sequence[PartyId]] | None = None) -> PresenceTracker:
    return PresenceTracker(sink=sink, endpoints=lambda: endpoints or {}, grace_seconds=0.05)


async def test_a_link_that_is_replaced_at_once_is_no_change(sink: Sink) -> None:
    tracker = make(sink)
    tracker.start({})
    tracker.link_changed(ONE, True)
    await sink.told.wait()
    tracker.link_changed(ONE, False)
    await asyncio.sleep(0.02)
    tracker.link_changed(ONE, True)
    await asyncio.sleep(0.1)
    await tracker.stop()
    assert sink.changes == [(ONE, True)]
    assert tracker.connected(ONE)


async def test_a_link_that_stays_away_makes_its_party_offline(sink: Sink) -> None:
    tracker = make(sink)
    tracker.start({})
    tracker.link_changed(ONE, True)
    await sink.told.wait()
    tracker.link_changed(ONE, False)
    await asyncio.sleep(0.15)
    await tracker.stop()
    assert sink.changes == [(ONE, True), (ONE, False)]


async def test_who_was_connected_before_a_restart_and_does_not_come_back_becomes_offline(sink: Sink) -> None:
    tracker = make(sink)
    tracker.start({ONE: True, TWO: True, PartyId("NL", "OFF"): False})
    tracker.link_changed(TWO, True)
    await asyncio.sleep(0.15)
    await tracker.stop()
    assert sink.changes == [(ONE, False)]


async def test_an_endpoint_serves_all_its_parties_and_is_away_after_two_failures(sink: Sink) -> None:
    tracker = make(sink, {PLACE: [ONE, TWO]})
    tracker.start({})
    tracker.endpoint_called(PLACE, True)
    await sink.told.wait()
    tracker.endpoint_called(PLACE, False)
    await asyncio.sleep(0.1)
    assert sorted(sink.changes) == [(ONE, True), (TWO, True)]
    tracker.endpoint_called(PLACE, False)
    await asyncio.sleep(0.15)
    await tracker.stop()
    assert sorted(sink.changes[2:]) == [(ONE, False), (TWO, False)]


async def test_an_endpoint_that_was_never_reached_makes_nobody_connected(sink: Sink) -> None:
    tracker = make(sink, {PLACE: [ONE]})
    tracker.start({})
    tracker.endpoint_called(PLACE, False)
    await asyncio.sleep(0.05)
    await tracker.stop()
    assert sink.changes == []


async def test_a_change_that_could_not_be_recorded_is_recorded_later(
    sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.routing.presence._RETRY_SECONDS", 0.01)
    sink.failures = 2
    tracker = make(sink)
    tracker.start({})
    tracker.link_changed(ONE, True)
    await sink.told.wait()
    await tracker.stop()
    assert sink.changes == [(ONE, True)]


async def test_a_party_whose_endpoint_is_gone_becomes_offline_without_a_call(sink: Sink) -> None:
    endpoints = {PLACE: [ONE]}
    tracker = make(sink, endpoints)
    tracker.start({})
    tracker.endpoint_called(PLACE, True)
    await sink.told.wait()
    endpoints[Endpoint("127.0.0.1:2", "q")] = endpoints.pop(PLACE)
    tracker.look()
    await asyncio.sleep(0.15)
    await tracker.stop()
    assert sink.changes == [(ONE, True), (ONE, False)]


class Dialled:
    """Notes who is pinged."""

    def __init__(self) -> None:
        self.pinged: list[Endpoint] = []
        self.renewed: list[Endpoint] = []

    async def ask(self, endpoint: Endpoint, kind: str, *_: Any) -> None:
        assert kind == "ping"
        self.pinged.append(endpoint)

    async def close_idle(self) -> None: ...

    async def renew(self, endpoint: Endpoint) -> None:
        self.renewed.append(endpoint)


async def test_a_new_endpoint_is_pinged_at_once_and_the_others_in_their_turn() -> None:
    dialled, endpoints = Dialled(), {PLACE: [ONE]}
    pings = HealthPings(
        dialled=dialled,  # type: ignore[arg-type]
        endpoints=lambda: endpoints,
        every_seconds=1_000,
        timeout_seconds=1,
    )
    pings.start()
    await asyncio.sleep(0.01)
    other = Endpoint("127.0.0.1:2", "q.platforms.roamhub.internal")
    endpoints[other] = [TWO]
    pings.look()
    await asyncio.sleep(0.01)
    pings.look()
    await asyncio.sleep(0.01)
    await pings.stop()
    assert dialled.pinged == [PLACE, other]


async def test_an_endpoint_that_its_partner_names_again_is_tried_as_if_nothing_had_been() -> None:
    dialled = Dialled()
    pings = HealthPings(
        dialled=dialled,  # type: ignore[arg-type]
        endpoints=lambda: {PLACE: [ONE]},
        every_seconds=1_000,
        timeout_seconds=1,
    )
    pings.start()
    async with asyncio.timeout(30):
        while dialled.pinged != [PLACE]:
            await asyncio.sleep(0.001)
        pings.again(PLACE)
        pings.again(PLACE)
        while dialled.pinged != [PLACE, PLACE]:
            await asyncio.sleep(0.001)
    assert dialled.renewed == [PLACE]
    await pings.stop()
