"""Scheduler triggers that call the use cases; what is due, the database says."""
