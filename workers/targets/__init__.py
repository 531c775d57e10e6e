"""What can be rung: one file a kind of target."""
