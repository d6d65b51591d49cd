"""The wire: servicers, the mapping between messages and the domain, and the edge that every call passes."""
