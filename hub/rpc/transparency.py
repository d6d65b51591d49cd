"""TransparencyService: checkpoints, Merkle proofs, the keyring."""

from roamhub.v1 import transparency_pb2 as pb

from hub.app.clearing import proofs
from hub.app.ports.clearing import Notary
from hub.app.ports.spine import Committer, Reads
from hub.rpc.calls import Call


class TransparencyServicer:
    """Implements `roamhub.v1.TransparencyService`."""

    def __init__(self, *, committer: Committer, reads: Reads, notary: Notary) -> None:
        self._committer = committer
        self._reads = reads
        self._notary = notary

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

    async def CreateSigningKey(self, request: pb.CreateSigningKeyRequest, call: Call) -> pb.SigningKey:  # noqa: ARG002
        """Make a further signing key."""
        name, public_key, size = await self._reads.run(lambda uow: proofs.create_signing_key(uow, self._notary))
        return pb.SigningKey(name=name, public_key=public_key, tree_size=size)

    async def PublishKeyring(self, request: pb.PublishKeyringRequest, call: Call) -> pb.Keyring:  # noqa: ARG002
        """Replace the keyring by its next version."""
        envelope = request.envelope
        version = await self._committer.run(lambda uow: proofs.publish_keyring(uow, self._notary, envelope))
        return pb.Keyring(envelope=envelope, version=version)
