"""Use cases, one module per capability, over the Protocols in `hub.app.ports`."""
