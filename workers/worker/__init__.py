"""Rings targets: intake, fair queue, attempts, overlap, recorder."""
