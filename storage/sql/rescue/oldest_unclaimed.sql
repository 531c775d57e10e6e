-- Since when the oldest fire time or retry is due that no dispatcher has claimed.
SELECT least(
    (SELECT next_claim_at FROM jobs WHERE next_claim_at <= :now ORDER BY next_claim_at LIMIT 1),
    (SELECT retry_at FROM runs WHERE retry_at <= :now ORDER BY retry_at LIMIT 1)
)
