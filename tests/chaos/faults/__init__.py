"""What goes wrong: each fault is made, lasts, and is healed by the same function."""
