"""Doors that work by themselves: hot folders and batch imports, on the ledger."""
