-- Ends a run that its overlap policy skips.
WITH ended_runs AS (
    UPDATE runs
    SET state = 'skipped_overlap', open = false, held_by = NULL, finished_at = :now,
        reason = :reason
    WHERE service_id = :service_id AND id = :run_id AND scheduled_for = :scheduled_for
    RETURNING
    \ir ../events/ended_columns.sql
)
\ir ../events/write.sql
