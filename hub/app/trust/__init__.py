"""Trust: who is invited, who holds which certificate, and who is shut out."""
