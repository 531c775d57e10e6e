"""Logs, metrics, health and clocks of processes."""
