UPDATE zone_tables SET version = :version, settled_from = :settled_from, began_at = :began_at,
    held_by = :process_id, reached_claim_at = :claim_at, reached_service_id = :service_id,
    reached_job_id = :job_id
