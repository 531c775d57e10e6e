service_id, id, schedule, catchup, overlap, next_fire_for, next_claim_at, accounted_to, claimed_for,
run_count, calendars, calendar_change
