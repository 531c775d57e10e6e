"""The API's description, in OpenAPI 3.1, as validators and generators of clients read it."""
