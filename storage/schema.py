"""All tables together: what migrations are to make."""

from __future__ import annotations

from storage.columns import metadata
from storage.service_tables import services
from storage.stats_tables import job_stats
from storage.tables import jobs

# Each of the three modules adds its tables to this.
__all__ = ["job_stats", "jobs", "metadata", "services"]
