"""The newest directory that this process has seen."""

from dataclasses import dataclass, field

from hub.app.directory import Directory


@dataclass(slots=True)
class DirectoryHolder:
    """Read by the edge without a query; replaced as a whole by each committed group that changed it."""

    current: Directory = field(default_factory=Directory)
