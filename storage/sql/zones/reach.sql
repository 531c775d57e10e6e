UPDATE zone_tables
SET reached_claim_at = :claim_at, reached_service_id = :service_id, reached_job_id = :job_id
WHERE version = :version AND began_at = :began_at AND held_by = :process_id
