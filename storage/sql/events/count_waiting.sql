-- Events that are not aggregated yet; many thousands are not told apart.
SELECT count(*) FROM (SELECT FROM run_events LIMIT :most) AS waiting
