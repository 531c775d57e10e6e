"""What operators ask of the servers."""
