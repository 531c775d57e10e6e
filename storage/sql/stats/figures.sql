succeeded, failed, cancelled, skipped_overlap, missed, lateness, lateness_max, duration,
duration_max, overlap_wait, overlap_wait_max, loose, last_success_at, last_failure_at, updated_at
