"""What is deployed fits the code; `python -m tests.manifests.check` looks at it more closely."""
