-- Has a run wait no more. It has waited for the overlap lock until the run ended that had it; what
-- comes after that is lateness.
UPDATE runs SET buffered = false,
    overlap_wait_ms = CASE WHEN attempt_count = 0 THEN greatest(extract(epoch FROM (
        SELECT before.finished_at FROM turns JOIN runs AS before
            ON before.service_id = turns.service_id AND before.job_id = turns.job_id
            AND before.scheduled_for = turns.scheduled_for AND before.id = turns.run_id
        WHERE turns.service_id = :service_id AND turns.job_id = :job_id
    ) - due_at) * 1000, 0) ELSE overlap_wait_ms END
WHERE service_id = :service_id AND job_id = :job_id AND scheduled_for = :scheduled_for
    AND id = :run_id AND buffered
