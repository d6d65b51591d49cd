"""Charge detail records: the facts the hub reasons about, the checks it makes, and what it answers."""
