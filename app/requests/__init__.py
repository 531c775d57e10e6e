"""What requests ask: values, lists, versions, keys and access."""
