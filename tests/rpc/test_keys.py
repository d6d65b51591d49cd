"""Rotating and revoking the hub's keys over real mutual TLS."""

from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from roamhub.v1 import admin_pb2_grpc, transparency_pb2_grpc
from roamhub.v1 import transparency_pb2 as pb

from hub.crypto import dsse
from hub.crypto.keyring import sign_keyring
from hub.crypto.signing import SigningKey
from hub.domain.checkpoints import parse_note
from hub.domain.keyring import Keyring, KeyringKey, Use
from hub.main import Hub
from tests.support import refusal

USES = frozenset({Use.CHECKPOINT, Use.STATEMENT})


class Keys:
    """What an operator does who has the root key."""

    def __init__(self, hub: Hub, channel: grpc.aio.Channel) -> None:
        self.stub = transparency_pb2_grpc.TransparencyServiceStub(channel)
        self.admin = admin_pb2_grpc.AdminServiceStub(channel)
        self.root = SigningKey.load(hub.config.data_dir / "clearing/root.key")

    async def present(self) -> Keyring:
        answer = await self.stub.GetKeyring(pb.GetKeyringRequest())
        return Keyring.from_bytes(dsse.parse(answer.envelope, dsse.KEYRING_TYPE).payload)

    async def publish(self, keyring: Keyring) -> pb.Keyring:
        envelope = sign_keyring(keyring, [self.root])
        return await self.admin.PublishKeyring(pb.PublishKeyringRequest(envelope=envelope))

    async def rotate(self) -> Keyring:
        made = await self.admin.CreateSigningKey(pb.CreateSigningKeyRequest())
        new = KeyringKey(name=made.name, public_key=made.public_key, uses=USES)
        following = (await self.present()).rotated(new, at=made.tree_size, overlap=100)
        await self.publish(following)
        return following

    async def signer(self) -> str:
        checkpoint = await self.stub.GetCheckpoint(pb.GetCheckpointRequest())
        return parse_note(checkpoint.note.encode()).signatures[0].name


@pytest.fixture
def keys(hub: Hub, operator_channel: grpc.aio.Channel) -> Keys:
    return Keys(hub, operator_channel)


async def test_after_a_rotation_the_new_key_signs(keys: Keys) -> None:
    assert await keys.signer() == "roamhub.local/clearing-1"
    await keys.rotate()
    assert await keys.signer() == "roamhub.local/clearing-2"
    assert (await keys.present()).version == 2


async def test_keys_still_rotate_by_their_old_names(keys: Keys, operator_channel: grpc.aio.Channel) -> None:
    service = "/roamhub.v1.TransparencyService"
    keys.admin.CreateSigningKey = operator_channel.unary_unary(
        f"{service}/CreateSigningKey", pb.CreateSigningKeyRequest.SerializeToString, pb.SigningKey.FromString
    )
    keys.admin.PublishKeyring = operator_channel.unary_unary(
        f"{service}/PublishKeyring", pb.PublishKeyringRequest.SerializeToString, pb.Keyring.FromString
    )
    await keys.rotate()
    assert await keys.signer() == "roamhub.local/clearing-2"


async def test_a_revoked_key_signs_nothing_more(keys: Keys) -> None:
    await keys.rotate()
    await keys.publish((await keys.present()).revoked("roamhub.local/clearing-1", at=0))
    assert await keys.signer() == "roamhub.local/clearing-2"


async def test_publishing_the_same_keyring_again_changes_nothing(keys: Keys) -> None:
    following = await keys.rotate()
    checkpoint = await keys.stub.GetCheckpoint(pb.GetCheckpointRequest())
    assert (await keys.publish(following)).version == 2
    assert (await keys.stub.GetCheckpoint(pb.GetCheckpointRequest())).tree_size == checkpoint.tree_size


def _left_out(ring: Keyring) -> Keyring:
    return replace(ring, keys=())


def _changed(ring: Keyring) -> Keyring:
    return replace(ring, keys=(replace(ring.keys[0], first_index=5),))


def _other_hub(ring: Keyring) -> Keyring:
    return replace(ring, hub="other")


def _ended(ring: Keyring) -> Keyring:
    return replace(ring, keys=(replace(ring.keys[0], end_index=1),))


def _none_left(ring: Keyring) -> Keyring:
    return ring.revoked(ring.keys[0].name, at=0)


def _revoked_and_back_under_another_name(ring: Keyring) -> Keyring:
    revoked = ring.revoked(ring.keys[0].name, at=0)
    return replace(revoked, keys=(*revoked.keys, replace(ring.keys[0], name="another")))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_left_out, "INVALID_FIELD"),
        (_changed, "INVALID_FIELD"),
        (_other_hub, "INVALID_FIELD"),
        (_ended, "INVALID_FIELD"),
        (_revoked_and_back_under_another_name, "INVALID_FIELD"),
        (_none_left, "NO_SIGNING_KEY"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
async def test_a_keyring_that_undoes_what_was_signed_is_refused(
    keys: Keys, change: Callable[[Keyring], Keyring], reason: str
) -> None:
    await keys.publish(replace(await keys.present(), version=2))
    await keys.publish(replace(await keys.present(), version=3))
    ring = await keys.present()
    ring = replace(ring, version=ring.version + 1)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await keys.publish(replace(change(ring), version=ring.version))
    assert refusal(caught.value).reason == reason
    assert (await keys.present()).version == ring.version - 1


async def test_a_keyring_follows_the_present_one_and_is_signed_by_the_root(keys: Keys) -> None:
    ring = await keys.present()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await keys.publish(replace(ring, version=3))
    assert refusal(caught.value).reason == "KEYRING_VERSION"
    keys.root = SigningKey(name=keys.root.name, seed=bytes(32))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await keys.publish(replace(ring, version=2))
    assert refusal(caught.value).fields == ["envelope"]
