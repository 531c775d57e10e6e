"""The shapes of requests and responses, by noun: what clients send and are answered."""
