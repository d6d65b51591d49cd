"""Foreign formats and services, one folder each."""
