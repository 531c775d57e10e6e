-- Writes jobs, their search index, their counts and their audit rows: one round trip and one
-- transaction. Nothing of a job whose service has as many as it may, or nearly.
WITH asked AS MATERIALIZED (
    SELECT *, row_number() OVER (PARTITION BY service_id) AS nth
    FROM unnest(:service_ids::uuid[], :ids::uuid[], :names::text[], :descriptions::text[],
        :tags::text[], :schedules::text[], :targets::text[], :retries::text[], :overlaps::text[],
        :catchups::text[], :calendars::text[], :next_fire_for::timestamptz[],
        :next_claim_at::timestamptz[], :accounted_to::timestamptz[], :created_at::timestamptz[],
        :terms::text[], :audit_ids::uuid[], :principals::text[], :request_ids::text[],
        :addresses::text[], :most::int[])
        AS asked (service_id, id, name, description, tags, schedule, target, retry, overlap,
            catchup, calendars, next_fire_for, next_claim_at, accounted_to, created_at, terms,
            audit_id, principal, request_id, address, most)
), known AS MATERIALIZED (
    SELECT service_id, (
        SELECT coalesce(sum(count), 0) FROM job_counts
        WHERE job_counts.service_id = service.service_id
    ) AS jobs
    FROM (SELECT DISTINCT service_id FROM asked) AS service
), decided AS MATERIALIZED (
    SELECT asked.*, known.jobs + nth <= most - :spare AS accepted, known.jobs >= most AS refused
    FROM asked JOIN known USING (service_id)
), counted AS (
    -- All of one service in one row, of several that it has: who makes jobs at the same time seldom
    -- meets. Services in order, so that nobody waits for each other.
    INSERT INTO job_counts (service_id, slot, count)
    SELECT service_id, :slot, count(*) FROM decided WHERE accepted
    GROUP BY service_id ORDER BY service_id
    ON CONFLICT (service_id, slot) DO UPDATE SET count = job_counts.count + excluded.count
), audited AS (
    INSERT INTO audit
        (service_id, at, id, principal, action, object_id, request_id, address, details)
    SELECT service_id, created_at, audit_id, principal, 'job.created', id, request_id, address,
        '{}'
    FROM decided WHERE accepted
), listed AS (
    INSERT INTO listings (service_id, id, terms, updated_at)
    SELECT service_id, id, array_to_tsvector(terms::text[]), created_at
    FROM decided WHERE accepted
), stored AS (
    INSERT INTO jobs (service_id, id, name, description, tags, schedule, target, retry, overlap,
        catchup, calendars, paused, next_fire_for, next_claim_at, accounted_to, claimed_for,
        version, created_at, updated_at)
    SELECT service_id, id, name, description, tags::text[], schedule::json, target::json,
        retry::json, overlap, catchup::json, calendars::text[], false, next_fire_for,
        next_claim_at, accounted_to, '{}', 1, created_at, created_at
    FROM decided WHERE accepted
)
SELECT id, accepted, refused FROM decided
