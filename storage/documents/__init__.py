"""JSON documents: what is stored of a schedule, and cached of a job, is what clients are answered.

To the letter: so a job that is read is passed on without being looked into.
"""
