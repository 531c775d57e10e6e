"""What is cached of answers, and which of them a service may still be given."""
