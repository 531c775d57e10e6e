"""Firing: the dispatcher claims ahead, actors hand over, the ringer rings, housekeeping keeps order."""
