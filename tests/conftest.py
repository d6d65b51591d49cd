"""Shared fixtures: real databases, a fixed clock, the shared data."""
