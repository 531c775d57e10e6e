"""Firing: dispatchers claim ahead and hand over, ringers ring, housekeeping keeps order."""
