"""Every read, one file a query; answers come from replicas."""
