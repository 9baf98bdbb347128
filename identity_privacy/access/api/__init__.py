"""What the API asks of access: who calls, and for which controllers."""
