"""Mutation testing of the rating engine, on demand."""
