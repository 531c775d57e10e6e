"""All tables together: what migrations are to make."""

from __future__ import annotations

from storage.schema.columns import metadata
from storage.schema.process_tables import workers
from storage.schema.service_tables import services
from storage.schema.stats_tables import job_stats
from storage.schema.tables import jobs

# Each of the four modules adds its tables to this.
__all__ = ["job_stats", "jobs", "metadata", "services", "workers"]
