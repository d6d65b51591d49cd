"""From accepted CDRs to who owes whom: items, periods, lines, taxes, statements, positions. Pure and exact."""
