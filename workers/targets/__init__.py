"""The targets that can be rung, and the limits of how they are."""
