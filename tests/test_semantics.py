"""Each promise of ours, and the tests that hold us to it: none may get lost when tests move."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TEST = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)

PROMISES = {
    "Two instants: a run carries its nominal time, and lateness counts from when it was due": [
        "test_each_minute_runs_and_keeps_its_name_when_all_of_them_are_caught_up",
        "test_lateness_counts_from_when_a_jittered_run_was_due",
        "test_lateness_is_that_of_the_first_attempt",
    ],
    "Schedule: the union of specs, minus exclusions": [
        "test_the_union_is_all_that_its_specs_name_and_each_instant_once",
        "test_excluding_is_the_difference_of_two_sets",
    ],
    "`at`: one instant; a local time needs a zone": [
        "test_an_instant_and_a_delay_fire_once",
        "test_an_instant_is_answered_in_utc",
    ],
    "`after`: a delay from acceptance": ["test_a_delay_counts_from_acceptance"],
    "`every`: no drift, the same after a restart, at least a second": [
        "test_an_interval_fires_at_whole_multiples_of_itself_since_1970",
        "test_an_interval_does_not_depend_on_when_it_was_accepted",
        "test_an_interval_does_not_drift_in_ten_years",
    ],
    "`cron`: five to seven fields, names, ranges, steps, lists, L, W, #, macros, H and ~": [
        "test_no_minute_is_skipped_or_repeated",
        "test_no_second_is_skipped_or_repeated",
        "test_two_spellings_of_one_meaning",
        "test_macros_names_and_special_days",
        "test_a_thousand_seeds_cover_the_whole_range_evenly",
        "test_a_spread_time_never_changes",
    ],
    "`rrule`: RFC 5545 with DTSTART": [
        "test_an_example_of_the_standard",
        "test_dtstart_counts_only_if_the_rule_names_it",
    ],
    "`exclude`: specs, dates, ranges, calendars of the service": [
        "test_a_calendar_is_what_it_holds",
        "test_a_cron_expression_excludes_whole_minutes_or_seconds",
        "test_a_day_is_the_local_day_also_where_clocks_change_at_midnight",
        "test_a_changed_calendar_moves_the_next_fire_time_at_once",
    ],
    "`start_at`, `end_at`": ["test_nothing_fires_before_the_start_or_after_the_end"],
    "`max_runs`": ["test_a_schedule_ends_after_its_number_of_runs"],
    "`jitter`: a hash of job and fire time, never past the next nominal time": [
        "test_a_run_is_due_within_the_jitter_and_never_past_the_next_fire_time",
    ],
    "Both day fields restricted: either matches, and the preview says so": [
        "test_days_are_those_of_either_field_or_of_both",
        "test_either_day_counts_only_if_both_fields_are_restricted",
        "test_two_day_fields_of_which_either_matches",
    ],
    "A schedule that can never fire is refused with 422 and the reason": [
        "test_a_schedule_that_cannot_fire_is_refused_with_a_pointer",
        "test_a_wrong_schedule",
    ],
    "DST: wildcard hours follow elapsed time; gap and fold for fixed hours": [
        "test_wildcard_hours_follow_elapsed_time",
        "test_fixed_hours_fire_once_a_wall_time_by_the_rules_for_gap_and_fold",
    ],
    "COUNT counts what fires, UNTIL with Z is an instant": [
        "test_count_and_until_where_clocks_change",
        "test_until_with_z_is_an_instant_whatever_dtstart_is",
    ],
    "An exclusion hits the fire time it names also where gap or fold moves it": [
        "test_what_a_gap_moves_is_excluded_by_its_name",
        "test_both_passes_are_excluded_by_their_name",
    ],
    "Zones come from the pinned `tzdata` alone": ["test_the_tables_of_the_host_are_not_read"],
    "Each run records its UTC offset": ["test_a_run_records_what_clocks_showed_in_its_zone"],
    "Preview: offsets, notes, a sentence, warnings; nothing is stored": [
        "test_fire_times_come_in_utc_and_in_the_zone_of_the_schedule",
        "test_a_time_that_clocks_skip_is_noted",
        "test_a_time_that_clocks_show_twice_is_noted",
        "test_every_kind_of_spec_is_described",
        "test_a_schedule_that_is_over",
        "test_the_top_of_the_hour",
        "test_runs_that_come_faster_than_they_end",
    ],
    "Overlap `skip`": ["test_a_run_that_skips_is_let_go_with_a_reason"],
    "Overlap `buffer_one`: the first that waits": ["test_of_buffered_runs_one_is_kept_the_first"],
    "Overlap `buffer_all`: in order": ["test_of_buffered_runs_all_are_kept_in_order"],
    "Overlap `cancel_other`": [
        "test_cancel_other_asks_the_run_that_rings_to_end_and_waits_for_that"
    ],
    "Overlap `terminate_other`": [
        "test_terminate_other_ends_the_run_that_rings_and_begins_at_once",
        "test_what_a_terminated_runs_worker_says_later_changes_nothing",
    ],
    "Overlap `allow_all`": ["test_runs_that_may_overlap_do_not_look_at_each_other"],
    "Overlap may be overridden for one trigger or backfill": [
        "test_a_triggers_own_policy_holds_instead_of_the_jobs",
        "test_runs_of_a_backfill_follow_its_own_overlap_policy",
    ],
    "A skip does not count towards max_runs": ["test_a_skipped_run_of_the_schedule_does_not_count"],
    "The overlap guard is race-free": [
        "test_of_runs_that_begin_at_once_exactly_one_has_the_turn",
        "test_in_a_storm_of_all_policies_no_two_ring_at_once_and_nobody_is_forgotten",
    ],
    "Misfires: window, coalesce, limit": [
        "test_a_policy_chooses_among_ten_missed_minutes",
        "test_without_a_window_all_that_is_late_is_missed_and_what_is_on_time_runs",
        "test_an_hour_without_dispatchers_ends_as_the_policy_says",
    ],
    "The window is judged when a run begins, however it came to be late": [
        "test_a_claimed_run_that_begins_beyond_its_window_is_missed",
        "test_a_run_that_begins_beyond_its_window_is_let_go_and_the_others_ring",
        "test_a_run_that_waited_for_its_turn_is_not_missed",
    ],
    "PATCH is RFC 7396; what names nothing new changes nothing": [
        "test_what_is_not_named_stays_at_every_depth",
        "test_what_names_nothing_new_changes_no_version",
    ],
    "An equal schedule is no edit": [
        "test_a_schedule_that_is_saved_again_changes_nothing",
        "test_saves_and_claims_around_the_due_instant_lose_no_run_and_double_none",
    ],
    "Resuming starts from now unless told otherwise": [
        "test_a_resumed_job_leaves_what_passed_as_paused",
        "test_a_job_that_is_resumed_to_catch_up_leaves_what_passed_to_its_policy",
    ],
    "The ledger: exactly one durable outcome for every nominal instant": [
        "test_every_fire_time_ends_with_exactly_one_outcome_that_what_happened_allows",
    ],
    "Outcome `run`": ["test_why_not_because_it_ran"],
    "Outcome `skipped_overlap`": ["test_why_not_because_another_one_was_active"],
    "Outcome `missed`": ["test_why_not_because_it_was_missed"],
    "Outcome `paused`": ["test_why_not_because_it_was_paused_now_or_then"],
    "Outcome `excluded`": ["test_why_not_because_it_was_excluded"],
    "Outcome `coalesced`": ["test_why_not_because_a_later_one_stood_for_it"],
    "Outcome `cancelled`": [
        "test_why_not_because_somebody_cancelled_it",
        "test_why_not_because_another_schedule_took_its_place",
    ],
    "Long stretches of one outcome are one row": [
        "test_a_long_pause_of_a_fast_job_is_one_stretch_that_nobody_counted",
    ],
    "Run states: conditional transitions, finishes fenced by the attempt number": [
        "test_an_attempt_begins_once_however_often_its_worker_asks",
        "test_a_late_worker_cannot_finish_someone_elses_attempt",
        "test_a_worker_cannot_finish_its_own_newer_attempt_with_an_older_one",
    ],
    "Rescue goes by lapsed lease": [
        "test_runs_of_a_worker_that_beats_are_left_alone",
        "test_a_run_that_rang_in_a_lapsed_worker_ends_its_attempt_as_abandoned",
    ],
    "Retries: attempts, backoff, multiplier, jitter, duration; whichever comes first": [
        "test_backoff_doubles_up_to_its_bound_and_then_gives_up",
        "test_full_jitter_is_drawn_from_zero_to_the_whole_delay",
        "test_whichever_limit_comes_first_ends_it",
    ],
    "The next nominal time does not cut a retry short": ["test_a_retry_keeps_the_turn"],
    "`Retry-After` is honoured within max_backoff": [
        "test_what_a_target_asks_for_is_honoured_within_the_longest_backoff",
    ],
    "`410 Gone` pauses the job and says why": [
        "test_a_target_that_is_gone_fails_the_run_at_once_and_pauses_its_job",
    ],
    "Dead letters can be replayed, one or in bulk": [
        "test_a_replay_is_a_new_run_of_the_same_fire_time_that_is_due_now",
        "test_in_bulk_each_dead_letter_is_replayed_once",
    ],
    "`pause_on_failure` counts only after the full chain fails": [
        "test_a_job_is_paused_only_after_the_last_attempt_failed",
    ],
    "Delivery: Standard Webhooks headers and signature": [
        "test_a_ring_carries_what_standard_webhooks_and_tracing_want",
    ],
    "Delivery: 3xx is a failure": ["test_redirects_are_not_followed"],
    "Delivery: the first 4 KiB of the answer": ["test_the_first_4_kib_of_an_answer_are_kept"],
    "Delivery: the egress guard": [
        "test_a_loopback_address_that_is_not_allowed_is_never_connected_to",
    ],
    "Backfill: half-open, dry run, rate, cancellable, only_missing": [
        "test_a_backfill_makes_a_run_for_each_fire_time_of_its_half_open_range",
        "test_a_dry_run_counts_and_makes_nothing",
        "test_no_more_runs_are_made_than_the_rate_allows",
        "test_a_cancelled_backfill_ends_with_the_runs_that_do_not_ring",
        "test_only_fire_times_without_a_successful_run_are_made",
    ],
    "Idempotency-Key: same request, the stored answer, success or refusal, kept 24 h": [
        "test_every_post_that_changes_something_answers_what_is_sent_again_as_before",
        "test_of_requests_that_come_at_once_through_two_processes_one_is_done",
        "test_what_was_refused_stays_refused",
        "test_a_key_is_free_again_after_24_hours",
        "test_a_process_that_dies_in_between_leaves_nothing",
    ],
    "Idempotency-Key: another request 422, in flight 409": [
        "test_a_key_that_was_used_for_another_request_is_422",
        "test_while_the_first_is_in_progress_the_second_is_409_and_later_answered",
    ],
    "Idempotency-Key: scoped to service and route": [
        "test_a_key_is_its_services_and_its_addresss_own",
    ],
    "ETag and If-Match on jobs: 412 on a lost update, 304 on If-None-Match": [
        "test_of_changes_to_one_version_at_once_one_is_made",
        "test_a_change_to_another_version_is_412_and_not_made",
        "test_a_read_with_an_entity_tag_is_asked_for_again",
    ],
    "The wire: unknown fields are refused with their pointer": ["test_a_wrong_field"],
    "The wire: defaults are filled in": [
        "test_a_stored_job_is_answered_as_sent_with_defaults_filled_in",
    ],
    "The wire: durations": [
        "test_durations_are_taken_as_iso_8601_or_seconds_and_answered_as_iso_8601",
    ],
}


@pytest.fixture(scope="module")
def known() -> set[str]:
    """The names of all tests."""
    return {name for file in TESTS.rglob("test_*.py") for name in TEST.findall(file.read_text())}


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_has_its_tests(promise: str, known: set[str]):
    assert set(PROMISES[promise]) - known == set()
