"""Signed meter values: what meters wrote and signed, and whether it may be billed.

Pure: reading and judging happen here, verifying signatures in `hub.crypto.meter`. Every byte of a document is hostile:
sizes, depths and numbers are bounded, and what cannot be read becomes an `Unread` with its reason. Reasons are a closed
set of words; nothing that a document says reaches them.
"""
