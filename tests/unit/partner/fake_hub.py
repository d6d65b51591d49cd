"""A hub that does what a test tells it, over real mutual TLS: it loses answers, drains links and refuses."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc

from adapters.partner.connection import Connection
from adapters.partner.credentials import Credentials, Store, new_key, signing_request
from hub.crypto.ca import CertificateAuthority, server_pair


def fake(servicer: Any) -> Any:
    """Return a servicer class as one that may leave methods out; the type checker insists on all of them."""
    return servicer


class FakeHub:
    """Certificates, and a server with whatever servicers a test adds."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC)
        self.ca = CertificateAuthority.open(folder, self.now)
        self._pair = server_pair(self.ca, folder, ["localhost", "127.0.0.1"], self.now)
        self.address = ""

    @asynccontextmanager
    async def serving(self, *services: tuple[Callable[[Any, Any], None], object]) -> AsyncIterator[None]:
        """Serve these, each as (add_XServicer_to_server, servicer), on the same port every time."""
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        for add, servicer in services:
            add(servicer, server)
        tls = grpc.ssl_server_credentials([(self._pair.key_pem, self._pair.chain_pem)], self.ca.ca_pem, True)
        port = server.add_secure_port(self.address or "127.0.0.1:0", tls)
        self.address = f"127.0.0.1:{port}"
        await server.start()
        try:
            yield
        finally:
            await server.stop(0)

    def credentials(self, platform: str = "acme") -> Credentials:
        key = new_key()
        issued = self.ca.issue_platform(signing_request(key), platform, self.now)
        return Credentials(
            key_pem=key, certificate_pem=issued.chain_pem, authority_pem=self.ca.ca_pem, hub=self.address
        )

    @asynccontextmanager
    async def connected(self, platform: str = "acme") -> AsyncIterator[Connection]:
        connection = Connection(self.credentials(platform))
        yield connection
        await connection.close()

    def store(self, folder: Path) -> Store:
        store = Store(folder)
        store.save(self.credentials())
        return store
