"""The bundle: a statement with all that proves it, in one file that always has the same bytes.

A zip archive without compression, its entries in a fixed order and without dates, so that the same content is the same
file wherever it is written. Reading one writes it again and compares: no byte of a bundle can change unnoticed.
"""

from hub.domain.bundle.archive import MalformedBundle, check_packing, open_bundle, read_bundle, write_bundle
from hub.domain.bundle.parts import BundleParts, DisclosedLeaf, Proofs
from hub.domain.bundle.render import render

__all__ = [
    "BundleParts",
    "DisclosedLeaf",
    "MalformedBundle",
    "Proofs",
    "check_packing",
    "open_bundle",
    "read_bundle",
    "render",
    "write_bundle",
]
