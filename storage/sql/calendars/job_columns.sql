service_id, id, schedule::text, calendars, calendar_change, paused, run_count, next_fire_for,
next_claim_at, accounted_to, claimed_for
