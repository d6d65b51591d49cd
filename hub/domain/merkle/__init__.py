"""The Merkle tree over the clearing journal (RFC 6962, section 2): hashes, an incremental frontier, and proofs.

The journal index of an entry is its leaf index. The tree is never held in memory: appending needs the frontier (at most
64 hashes, see `Frontier`), proving needs the stored hashes (see `hub.domain.merkle.tiles`), verifying needs neither.
"""

from hub.domain.merkle.tree import EMPTY_ROOT, HASH_BYTES, Frontier, TileNode, leaf_hash, node_hash, root_of

__all__ = ["EMPTY_ROOT", "HASH_BYTES", "Frontier", "TileNode", "leaf_hash", "node_hash", "root_of"]
