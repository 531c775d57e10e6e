"""How Postgres is reached: pools, transactions, replicas and notifications."""
