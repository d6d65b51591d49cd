"""What the use cases need from the rooms around them, as Protocols; one module per capability."""
