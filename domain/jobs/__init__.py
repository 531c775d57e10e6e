"""What a service stores: jobs, and backfills of them."""
