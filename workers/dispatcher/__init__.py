"""Claims what falls due soon and dispatches it to the workers."""
