"""Read-only use cases on connections of their own: a small pool of threads, each query one consistent snapshot."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import InterfaceError, OperationalError

from hub.app.ports.spine import UseCase
from hub.domain.clock import Clock, NewId
from hub.store.directory import DirectoryHolder
from hub.store.failures import let_go, storage_failure
from hub.store.journal import read_heads
from hub.store.unit import Entropy, SqlUnitOfWork

_log = logging.getLogger(__name__)

R = TypeVar("R")


class Reads:
    """Implements `hub.app.ports.spine.Reads` over an engine that refuses to write."""

    def __init__(
        self,
        engine: Engine,
        *,
        clock: Clock,
        new_id: NewId,
        entropy: Entropy,
        directory: DirectoryHolder,
        unit_of_work: Callable[..., SqlUnitOfWork] = SqlUnitOfWork,
        threads: int = 2,
    ) -> None:
        self._engine = engine
        driver = engine.dialect.loaded_dbapi
        self._lost = (driver.OperationalError, driver.InterfaceError, OperationalError, InterfaceError)
        self._clock = clock
        self._new_id = new_id
        self._entropy = entropy
        self._directory = directory
        self._unit_of_work = unit_of_work
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="reads")

    async def run(self, query: UseCase[R]) -> R:
        """Run one query in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, self.run_here, query)

    def run_here(self, query: UseCase[R]) -> R:
        """Run one query in the calling thread; raises as `run`."""
        try:
            return self._run(query)
        except self._lost as error:
            _log.exception("read_failed")
            let_go(error)
            raise storage_failure(error, "try again") from error
        except Exception as error:
            let_go(error)
            raise

    def _run(self, query: UseCase[R]) -> R:
        with self._engine.connect() as connection, connection.begin():
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")
            unit = self._unit_of_work(
                connection,
                now=self._clock(),
                heads=read_heads(connection),
                directory=self._directory.current,
                new_id=self._new_id,
                entropy=self._entropy,
            )
            return query(unit)

    def stop(self) -> None:
        """Finish the running queries and end the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)
