"""Taking in CDRs, and showing them to those whom they concern."""
