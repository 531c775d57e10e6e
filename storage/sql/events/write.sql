-- One event of all runs that this statement ended, for the statistics. Those that will be retried
-- may be among them: they have not ended.
INSERT INTO run_events (count, service_ids, job_ids, states, lateness_ms, duration_ms,
    finished_at, overlap_wait_ms)
SELECT count(*), array_agg(service_id), array_agg(job_id), array_agg(state),
    array_agg(lateness_ms), array_agg(duration_ms), array_agg(finished_at),
    array_agg(overlap_wait_ms)
FROM ended_runs WHERE state <> 'retrying' HAVING count(*) > 0
