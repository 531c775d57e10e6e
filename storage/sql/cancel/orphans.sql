-- Ends runs that were taken of a job that is deleted.
WITH ended_runs AS (
    UPDATE runs
    SET state = 'cancelled', open = false, held_by = NULL, finished_at = :now,
        reason = 'The job was deleted.'
    FROM unnest(:service_ids::uuid[], :run_ids::uuid[]) AS orphan (service_id, id)
    WHERE runs.service_id = orphan.service_id AND runs.id = orphan.id AND runs.state = 'queued'
    RETURNING
    \ir ../events/ended_columns.sql
)
\ir ../events/write.sql
