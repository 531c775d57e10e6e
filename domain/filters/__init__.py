"""What lists choose, and where a page ends."""
