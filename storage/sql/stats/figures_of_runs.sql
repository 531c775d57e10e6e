count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),
count(*) FILTER (WHERE state = 'cancelled'), count(*) FILTER (WHERE state = 'skipped_overlap'),
count(*) FILTER (WHERE state = 'missed'),
coalesce(string_agg(lateness, ''), ''), max(lateness_ms),
coalesce(string_agg(duration, ''), ''), max(duration_ms),
coalesce(string_agg(overlap_wait, ''), ''), max(overlap_wait_ms),
count(lateness) + count(duration) + count(overlap_wait),
max(finished_at) FILTER (WHERE state = 'succeeded'),
max(finished_at) FILTER (WHERE state = 'failed'), :now::timestamptz
