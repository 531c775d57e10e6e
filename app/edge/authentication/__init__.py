"""Who sends a request, by API key or a person's token, and what that is good for."""
