-- What an event tells of a run.
runs.service_id, runs.job_id, runs.state, runs.lateness_ms,
\ir duration_ms.sql
AS duration_ms, runs.finished_at, runs.overlap_wait_ms
