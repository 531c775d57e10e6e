"""Commands on secrets and signing secrets."""
