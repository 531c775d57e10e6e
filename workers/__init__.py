"""Firing: dispatchers claim runs ahead, workers ring targets, housekeeping tidies up."""
