-- How far the clocks of processes that beat are off, the worst first.
SELECT kind, host, pid, clock_offset_ms AS offset_ms FROM workers
WHERE
    \ir beats.sql
    AND clock_offset_ms IS NOT NULL
ORDER BY abs(clock_offset_ms) DESC, host, pid
