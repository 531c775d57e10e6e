"""Commands on services and their members."""
