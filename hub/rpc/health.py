"""Health checking and reflection, behind the same edge as everything else: a revoked certificate sees neither."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha._async import ReflectionServicer

from hub.domain.errors import NotFound
from hub.rpc.calls import Call

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


class HealthServicer:
    """Answers grpc.health.v1.Health: SERVING until the hub drains, then NOT_SERVING; "" stands for the whole hub."""

    def __init__(self) -> None:
        self._services = frozenset({""})
        self._draining = asyncio.Event()

    def watch_over(self, services: Iterable[str]) -> None:
        """Name the services there are."""
        self._services = frozenset(services) | {""}

    def drain(self) -> None:
        """Say NOT_SERVING from now on, so that load balancers send nothing new."""
        self._draining.set()

    async def Check(self, request: health_pb2.HealthCheckRequest, _: Call) -> health_pb2.HealthCheckResponse:
        """Return the status of a service."""
        if request.service not in self._services:
            raise NotFound("SERVICE_UNKNOWN", "the hub has no such service")
        return health_pb2.HealthCheckResponse(status=_NOT_SERVING if self._draining.is_set() else _SERVING)

    async def List(self, _request: Any, _: Call) -> Any:  # noqa: ANN401 - newer than the package's type stubs
        """Return the status of every service."""
        status = health_pb2.HealthCheckResponse(status=_NOT_SERVING if self._draining.is_set() else _SERVING)
        answer: Any = health_pb2.HealthListResponse  # type: ignore[attr-defined]
        return answer(statuses=dict.fromkeys(self._services, status))

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, _: Call
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        """Stream the status of a service, now and when it changes; ends with the drain."""
        known = request.service in self._services
        if not self._draining.is_set():
            yield health_pb2.HealthCheckResponse(status=_SERVING if known else _UNKNOWN)
            await self._draining.wait()
        yield health_pb2.HealthCheckResponse(status=_NOT_SERVING if known else _UNKNOWN)


class ReflectedContract:
    """Answers grpc.reflection.v1alpha.ServerReflection, for tools such as grpcurl."""

    def __init__(self, services: Iterable[str]) -> None:
        self._inner = ReflectionServicer(list(services))

    def ServerReflectionInfo(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        """Return the descriptors that are asked for."""
        inner: Any = self._inner
        return cast(AsyncIterator[Any], inner.ServerReflectionInfo(requests, call.context))
