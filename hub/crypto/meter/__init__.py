"""Signatures of meters: many curves, and keys and signatures in every shape that devices give them."""
