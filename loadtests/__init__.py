"""Benchmarks and simulated clients: what Tocsin does under load, measured on one machine."""
