"""Changing the keys that sign for the hub: of AdminService, and under old names of TransparencyService."""

from roamhub.v1 import transparency_pb2 as pb

from hub.app.clearing import proofs
from hub.app.ports.clearing import Notary
from hub.app.ports.spine import Committer, Reads
from hub.rpc.calls import Call


class SigningKeys:
    """Makes signing keys, and installs the keyrings that say what they sign.

    Args:
        committer: Where a keyring is written.
        reads: Where the journal's size is read.
        notary: Who keeps the keys.
    """

    def __init__(self, *, committer: Committer, reads: Reads, notary: Notary) -> None:
        self._committer = committer
        self._reads = reads
        self._notary = notary

    async def CreateSigningKey(self, request: pb.CreateSigningKeyRequest, call: Call) -> pb.SigningKey:  # noqa: ARG002
        """Make a further signing key."""
        name, public_key, size = await self._reads.run(lambda uow: proofs.create_signing_key(uow, self._notary))
        return pb.SigningKey(name=name, public_key=public_key, tree_size=size)

    async def PublishKeyring(self, request: pb.PublishKeyringRequest, call: Call) -> pb.Keyring:  # noqa: ARG002
        """Replace the keyring by its next version."""
        envelope = request.envelope
        version = await self._committer.run(lambda uow: proofs.publish_keyring(uow, self._notary, envelope))
        return pb.Keyring(envelope=envelope, version=version)
