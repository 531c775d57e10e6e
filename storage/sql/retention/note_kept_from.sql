-- Says that partitions of earlier days are dropped from now on.
INSERT INTO retention (kept_from) VALUES (:kept_from)
ON CONFLICT (only_one) DO UPDATE SET kept_from = excluded.kept_from
