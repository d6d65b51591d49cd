"""Benchmarks: each compares the hub with a bare server in the same run and prints ratios. Run with `make bench`."""
