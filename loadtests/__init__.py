"""Benchmarks and simulated clients: what Tocsin does under load, measured on one machine."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
"""Where our processes start, so that they find the code."""
