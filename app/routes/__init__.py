"""Routes: each translates HTTP to one command or query and back, and holds no rule."""
