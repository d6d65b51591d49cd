"""OCPI at the hub's edge: what OCPI's JSON says, said in the messages of the contract and back."""
