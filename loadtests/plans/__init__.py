"""How statements are planned on much data."""
