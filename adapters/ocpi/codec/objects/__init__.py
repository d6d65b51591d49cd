"""The tables: one module per OCPI module, `shared` for what they have in common."""
