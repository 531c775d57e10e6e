"""All tables together: what migrations are to make."""

from __future__ import annotations

from storage.columns import metadata
from storage.process_tables import workers
from storage.service_tables import services
from storage.stats_tables import job_stats
from storage.tables import jobs

# Each of the four modules adds its tables to this.
__all__ = ["job_stats", "jobs", "metadata", "services", "workers"]
