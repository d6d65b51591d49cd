"""What the hub tells Prometheus: calls, commits, journal, links, relays, jobs and gaps, on a port of their own.

Labels have few values by construction: methods and codes of the contract, names of jobs; never a partner.
docs/metrics.md lists them all.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from hub.domain.journal import Stream
from hub.store.committer import GroupMeasure

_RPC_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_COMMIT_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5)
_COMMIT_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096)


class Metrics:
    """Every figure of one hub process, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._rpc = Histogram(
            "roamhub_rpc_seconds",
            "Time from a call's arrival to its end, by method and status code; streams: as long as they were open.",
            ["rpc", "code"],
            buckets=_RPC_SECONDS,
            registry=registry,
        )
        self._rpc_of: dict[tuple[str, str], Histogram] = {}
        self._requests = Histogram(
            "roamhub_commit_requests", "Requests in one commit.", buckets=_COMMIT_REQUESTS, registry=registry
        )
        self._wait = Histogram(
            "roamhub_commit_wait_seconds",
            "Longest wait of a request before its commit began.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._commit = Histogram(
            "roamhub_commit_seconds",
            "Time of one commit, storage included.",
            buckets=_COMMIT_SECONDS,
            registry=registry,
        )
        self._heads = Gauge("roamhub_journal_entries", "Entries in the journal.", ["stream"], registry=registry)
        self._links = Gauge("roamhub_links", "Open links of partners.", registry=registry)
        self._relay = Histogram(
            "roamhub_relay_seconds",
            "Time a partner took to answer, by kind of request, way (link, dial, none) and outcome.",
            ["kind", "way", "outcome"],
            buckets=_RPC_SECONDS,
            registry=registry,
        )
        self._relay_of: dict[tuple[str, str, str], Histogram] = {}
        self._jobs = Counter("roamhub_jobs_total", "Runs of jobs, by outcome.", ["job", "outcome"], registry=registry)
        self._gaps = Gauge(
            "roamhub_gaps",
            "What should be on record and is not, of all parties, by kind and age.",
            ["kind", "older_than"],
            registry=registry,
        )

    def rpc(self, method: str, code: str, seconds: float) -> None:
        """Count a finished call."""
        known = self._rpc_of.get((method, code))
        if known is None:
            # Looking a label up costs more than the observation itself.
            known = self._rpc_of[method, code] = self._rpc.labels(method, code)
        known.observe(seconds)

    def group(self, measure: GroupMeasure) -> None:
        """Count a commit."""
        self._requests.observe(measure.requests)
        self._wait.observe(measure.wait_seconds_max)
        self._commit.observe(measure.run_seconds)

    def relay(self, kind: str, way: str, outcome: str, seconds: float) -> None:
        """Count a request to a partner."""
        known = self._relay_of.get((kind, way, outcome))
        if known is None:
            known = self._relay_of[kind, way, outcome] = self._relay.labels(kind, way, outcome)
        known.observe(seconds)

    def job(self, name: str, outcome: str) -> None:
        """Count a run of a job: done, failed or skipped."""
        self._jobs.labels(name, outcome).inc()

    def gaps(self, kind: str, older_than: str, count: int) -> None:
        """Take in how many gaps there are of a kind that are older than that."""
        self._gaps.labels(kind, older_than).set(count)

    def read_heads(self, head: Callable[[Stream], int]) -> None:
        """Read the journal's heads from here whenever somebody asks."""
        for stream in Stream:
            self._heads.labels(stream.name.lower()).set_function(partial(head, stream))

    def read_links(self, count: Callable[[], int]) -> None:
        """Read the number of open links from here whenever somebody asks."""
        self._links.set_function(count)

    def read_dropped(self, counts: Callable[[], Mapping[str, int]]) -> None:
        """Read what partners said in vain, by cause, from here whenever somebody asks."""
        self.registry.register(_Dropped(counts))


class _Dropped(Collector):
    """Answers of partners that were dropped, as counted by whoever drops them."""

    def __init__(self, counts: Callable[[], Mapping[str, int]]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Return the counters as they stand."""
        family = CounterMetricFamily(
            "roamhub_answers_dropped",
            "Answers of partners that came late, twice, unasked or as garbage.",
            labels=["cause"],
        )
        for cause, count in self._counts().items():
            family.add_metric([cause], count)
        yield family


class MetricsServer:
    """Serves the figures over HTTP, in a thread of its own."""

    def __init__(self, metrics: Metrics, address: str) -> None:
        host, _, port = address.rpartition(":")
        server, thread = start_http_server(int(port), host.strip("[]"), metrics.registry)
        self._server: Any = server
        self._thread: Thread = thread
        self.port: int = server.server_port

    def stop(self) -> None:
        """Stop serving."""
        with suppress(OSError):
            self._server.shutdown()
            self._server.server_close()
        self._thread.join()
