"""How the suite itself is chosen from, watched and told of."""
