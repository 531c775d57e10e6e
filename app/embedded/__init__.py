"""PostgreSQL and Valkey from Python wheels: started by us, on this machine only."""
