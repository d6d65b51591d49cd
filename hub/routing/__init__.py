"""Reaching a partner: its endpoint that the hub dials, or the link that it opened."""
