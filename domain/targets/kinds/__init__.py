"""The kinds of target: what is stored, what a client may send and what is refused, a file each."""
