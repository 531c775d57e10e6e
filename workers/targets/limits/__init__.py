"""How much of a target may be rung at once, how fast, and what is published of it."""
