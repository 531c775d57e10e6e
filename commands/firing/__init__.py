"""What the engine does: claim, take, start, finish, and what may come between."""
