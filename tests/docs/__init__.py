"""The documentation tells the truth: pages, examples, paths and words are held against the code."""
