-- Writes a run that is due at once, and its audit row. The job is locked, so that meanwhile it is
-- not deleted, and its schedule stays the one that the fire time was compared with.
WITH job AS MATERIALIZED (
    SELECT FROM jobs WHERE service_id = :service_id AND id = :job_id AND version = :version
    FOR UPDATE
), run AS (
    INSERT INTO runs (service_id, job_id, scheduled_for, id, due_at, trigger, state, overlap,
        utc_offset, open, attempt_count)
    SELECT :service_id, :job_id, :scheduled_for, :run_id, :scheduled_for, 'manual', 'scheduled',
        :overlap, :utc_offset, true, 0
    FROM job
    ON CONFLICT DO NOTHING
    RETURNING id
), audited AS (
    INSERT INTO audit
        (service_id, at, id, principal, action, object_id, request_id, address, details)
    SELECT :service_id, :now, :audit_id, :principal, 'job.triggered', :job_id, :request_id,
        :address, :details
    FROM run
)
SELECT EXISTS (SELECT FROM job) AS is_current, EXISTS (SELECT FROM run) AS is_written
