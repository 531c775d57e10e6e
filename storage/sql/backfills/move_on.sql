-- Notes what a step of a backfill has done; without a next step it is completed.
UPDATE backfills
SET position = :position, done_count = done_count + :done, run_count = run_count + :runs,
    continue_at = :continue_at,
    state = CASE WHEN :continue_at::timestamptz IS NULL THEN 'completed' ELSE state END,
    finished_at = CASE WHEN :continue_at::timestamptz IS NULL THEN :now::timestamptz END
WHERE service_id = :service_id AND id = :backfill_id
