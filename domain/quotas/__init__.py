"""What a service may use, and how what is scarce is shared."""
