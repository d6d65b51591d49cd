"""Patches: which fields an update mask takes, and which masks are refused."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from roamhub.v1.location_object_pb2 import Location
from roamhub.v1.token_object_pb2 import EnergyContract, Token

from hub.domain.errors import Invalid
from hub.rpc.field_masks import patched

STORED = Token(
    uid="u1",
    contract_id="c1",
    group_id="g1",
    valid=True,
    energy_contract=EnergyContract(supplier_name="a", contract_id="1"),
)


def patch(message: Token, *paths: str) -> Token:
    mask = FieldMask(paths=paths) if paths else None
    return patched(STORED.SerializeToString(), message, mask, fixed={"uid"}, always=["issuer"])


def test_without_a_mask_the_fields_that_are_given_are_taken() -> None:
    merged = patch(Token(uid="other", contract_id="c2", valid=False))
    assert (merged.uid, merged.contract_id, merged.group_id, merged.valid) == ("u1", "c2", "g1", False)


def test_a_field_that_is_named_and_not_given_is_cleared() -> None:
    merged = patch(Token(), "group_id", "energy_contract")
    assert not merged.HasField("group_id")
    assert not merged.HasField("energy_contract")
    assert merged.contract_id == "c1"


def test_a_path_changes_one_field_of_a_part_and_leaves_its_others() -> None:
    merged = patch(Token(energy_contract=EnergyContract(supplier_name="b")), "energy_contract.supplier_name")
    assert merged.energy_contract == EnergyContract(supplier_name="b", contract_id="1")
    merged = patch(Token(energy_contract=EnergyContract(supplier_name="b")), "energy_contract.contract_id")
    assert merged.energy_contract == EnergyContract(supplier_name="a")


def test_clearing_a_part_of_what_is_absent_creates_nothing() -> None:
    mask = FieldMask(paths=["energy_contract.contract_id"])
    merged = patched(b"", Token(), mask, fixed=(), always=())
    assert not merged.HasField("energy_contract")


def test_a_list_is_taken_whole() -> None:
    stored = Location(facilities=["CAFE"]).SerializeToString()
    mask = FieldMask(paths=["facilities"])
    merged = patched(stored, Location(facilities=["MALL", "TAXI_STAND"]), mask, fixed=(), always=())
    assert list(merged.facilities) == ["MALL", "TAXI_STAND"]


def test_a_star_takes_every_field_but_the_fixed_ones() -> None:
    merged = patch(Token(uid="other", contract_id="c2"), "*")
    assert merged == Token(uid="u1", contract_id="c2")


def test_some_fields_are_taken_whatever_the_mask_says() -> None:
    assert patch(Token(issuer="new"), "group_id").issuer == "new"


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "nothing",
        "uid",
        "contract_id.x",
        "energy_contract.nothing",
        "energy_contract.contract_id.x",
        "extensions.a",
        "*.x",
    ],
)
def test_a_mask_that_names_no_field_is_refused(path: str) -> None:
    for message in (Token(), Token(energy_contract=EnergyContract(supplier_name="b"))):
        with pytest.raises(Invalid) as caught:
            patch(message, path)
        assert caught.value.violations[0].field == "update_mask"
    with pytest.raises(Invalid):
        patched(b"", Token(), FieldMask(paths=[path]), fixed={"uid"}, always=())


def test_a_path_cannot_lead_into_a_list() -> None:
    with pytest.raises(Invalid):
        patched(b"", Location(), FieldMask(paths=["evses.uid"]), fixed=(), always=())
