"""The newest directory that this process has seen."""

from dataclasses import dataclass, field
from threading import Lock

from hub.app.directory import Directory


@dataclass(slots=True)
class DirectoryHolder:
    """Read by the edge without a query; replaced as a whole when it has changed, here or in another process."""

    current: Directory = field(default_factory=Directory)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def learn(self, directory: Directory) -> None:
        """Take in a directory that was read or committed, unless a newer one is known by now; from any thread."""
        if directory is not self.current:
            with self._lock:
                if directory.version > self.current.version:
                    self.current = directory
