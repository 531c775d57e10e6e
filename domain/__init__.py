"""Pure rules: no I/O, no clock, nothing of ours imported."""
