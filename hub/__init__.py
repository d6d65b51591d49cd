"""Roamhub: the hub between electric-vehicle charging networks."""
