"""The rules of roaming, rating and clearing: pure, exact, and on the standard library alone."""
