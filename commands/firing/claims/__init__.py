"""Claim ahead: which fire times become runs."""
