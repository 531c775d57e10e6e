"""This checkout beside another revision, a bare framework and the goals."""
