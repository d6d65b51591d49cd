"""The composition root: the only package that knows every other.

`hub` builds one process, `services` lists what it answers (a new service adds one line there), `server` opens the
ports, `serve` runs it until it is told to stop.
"""

from hub.main.hub import Hub, system_clock
from hub.main.serve import serve

__all__ = ["Hub", "serve", "system_clock"]
