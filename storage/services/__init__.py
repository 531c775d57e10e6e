"""Services as rows, with their keys, secrets, quotas and audit."""
