"""Version 1 of the contract; the modules here are generated from the .proto files beside them."""
