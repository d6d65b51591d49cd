"""TransparencyService: checkpoints, Merkle proofs, the keyring."""

from roamhub.v1 import transparency_pb2 as pb

from hub.app.clearing import proofs
from hub.domain.leaf import unpack_openings
from hub.rpc.calls import Call
from hub.rpc.signing_keys import SigningKeys


class TransparencyServicer(SigningKeys):
    """Implements `roamhub.v1.TransparencyService`, with the deprecated RPCs that are AdminService's now."""

    async def GetCheckpoint(self, request: pb.GetCheckpointRequest, call: Call) -> pb.Checkpoint:  # noqa: ARG002
        """Return a signed checkpoint."""
        head, note = await self._reads.run(lambda uow: proofs.checkpoint(uow, self._notary))
        return pb.Checkpoint(note=note.decode(), tree_size=head.size, root_hash=head.root)

    async def GetInclusionProof(self, request: pb.GetInclusionProofRequest, call: Call) -> pb.InclusionProof:  # noqa: ARG002
        """Return the proof that an entry stands in the journal."""
        proof = await self._reads.run(lambda uow: proofs.inclusion(uow, request.leaf_index, request.tree_size))
        return pb.InclusionProof(
            leaf_index=proof.index,
            leaf_hash=proof.leaf_hash,
            tree_size=proof.tree.size,
            root_hash=proof.tree.root,
            hashes=proof.hashes,
        )

    async def GetLeaf(self, request: pb.GetLeafRequest, call: Call) -> pb.Leaf:
        """Return a leaf with what opens it."""
        leaf = await self._reads.run(lambda uow: proofs.leaf(uow, call.caller, request.leaf_index))
        openings = unpack_openings(leaf.openings)
        return pb.Leaf(
            leaf_index=leaf.index,
            preimage=leaf.preimage,
            openings=[
                pb.LeafOpening(name=name, salt=opening.salt, value=opening.value) for name, opening in openings.items()
            ],
        )

    async def GetConsistencyProof(self, request: pb.GetConsistencyProofRequest, call: Call) -> pb.ConsistencyProof:  # noqa: ARG002
        """Return the proof that the journal only grew."""
        proof = await self._reads.run(lambda uow: proofs.consistency(uow, request.earlier_size, request.later_size))
        return pb.ConsistencyProof(
            earlier_size=proof.earlier.size,
            earlier_root_hash=proof.earlier.root,
            later_size=proof.later.size,
            later_root_hash=proof.later.root,
            hashes=proof.hashes,
        )

    async def GetKeyring(self, request: pb.GetKeyringRequest, call: Call) -> pb.Keyring:  # noqa: ARG002
        """Return the keyring."""
        envelope, version = await self._reads.run(proofs.keyring)
        return pb.Keyring(envelope=envelope, version=version)
