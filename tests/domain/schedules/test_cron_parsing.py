"""What a cron expression may say, how `H` and `~` spread it, and how it is refused."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Invalid
from domain.schedules.cron.days import Month, days_of
from domain.schedules.cron.expression import Cron, parse_cron
from tests.domain.examples import examples

MAY = Month(5, 31)
FIELDS = st.text("0123*/-,~?#LWH()", min_size=1, max_size=6)
START = datetime.fromisoformat("2026-01-01")


def meaning(cron: Cron) -> tuple[object, ...]:
    named = [days_of(cron.days, Month(first, 31)) for first in range(7)]
    return (
        cron.seconds, cron.minutes, cron.hours, cron.months, list(cron.years), named, cron.elapsed,
        cron.either_day,
    )  # fmt: skip


@pytest.mark.promise("cron")
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0 9 * jan,DEC Mon-fri", "0 9 * 1,12 1-5"),
        ("0 0 * * FRI-MON", "0 0 * * 5,6,0,1"),
        ("0 0 * * FRI-SUN", "0 0 * * 5-7"),
        ("0 0 * * 5-0", "0 0 * * 5-7"),
        ("0 0 * * 7-2", "0 0 * * 0-2"),
        ("0 0 * * 0-7", "0 0 * * 0-6"),
        ("0 0 * * FRI-MON/2", "0 0 * * 5,0"),
        ("0 0 * * 1/2", "0 0 * * 1,3,5"),
        ("0 0 * * 7/3", "0 0 * * 0,3,6"),
        ("0 0 * mar/4 *", "0 0 * 3,7,11 *"),
        ("5/20 * * * *", "5,25,45 * * * *"),
        ("10-30/10,59 * * * *", "10,20,30,59 * * * *"),
        ("*/60 * * * *", "0 * * * *"),
        ("007 * * * *", "7 * * * *"),
        ("0 0 ? * ?", "0 0 * * *"),
        ("\t0  0 * * *\n", "@daily"),
        ("0 0 * * FRIL", "0 0 * * 5l"),
        ("0 0 0 1 1 * 1970-2199", "0 0 0 1 1 * *"),
    ],
)
def test_two_spellings_of_one_meaning(one: str, other: str):
    assert meaning(parse_cron(one)) == meaning(parse_cron(other))


@pytest.mark.parametrize(
    ("cron", "detail"),
    [
        ("", "A cron expression has five fields .* this one has 0"),
        ("* * * *", "this one has 4"),
        ("* * * * * * * *", "this one has 8"),
        ("@reboot", "macro is unknown; use one of @yearly, .*@hourly"),
        ("@", "macro is unknown"),
        ("60 * * * *", "minute field cannot hold '60'; use numbers from 0 to 59"),
        ("* 24 * * *", "hour field cannot hold '24'; use numbers from 0 to 23"),
        ("* * 0 * *", "day-of-month field cannot hold '0'; use numbers from 1 to 31"),
        ("* * 32 * *", "day-of-month field cannot hold '32'"),
        ("* * * 13 *", "month field cannot hold '13'; use .* 1 to 12 or names from JAN to DEC"),
        ("* * * FOO *", "month field cannot hold 'FOO'"),
        ("* * * * 8", "day-of-week field cannot hold '8'; use .* 0 to 7 or names from SUN to SAT"),
        ("* * * * MONDAY", "day-of-week field cannot hold 'MONDAY'"),
        ("60 * * * * *", "second field cannot hold '60'"),
        ("0 0 0 1 1 * 1969", "year field cannot hold '1969'; use numbers from 1970 to 2199"),
        ("0 0 0 1 1 * 2200", "year field cannot hold '2200'"),
        ("99999999999999999999 * * * *", "minute field cannot hold '9{20}'"),
        ("-1 * * * *", "minute field has an empty part"),
        ("1- * * * *", "minute field has an empty part"),
        (", * * * *", "minute field has an empty part"),
        ("1,,2 * * * *", "minute field has an empty part"),
        ("/5 * * * *", "minute field has an empty part"),
        ("5-1 * * * *", "minute field has the reversed range '5-1'; put the smaller number first"),
        ("0 0 * DEC-JAN *", "month field has the reversed range 'DEC-JAN'"),
        ("1-2-3 * * * *", "minute field cannot hold '2-3'"),
        ("*/0 * * * *", "minute field cannot step as in '\\*/0'; after '/' use .* 1 to 60"),
        ("*/61 * * * *", "minute field cannot step as in '\\*/61'"),
        ("*/ * * * *", "minute field cannot step as in '\\*/'"),
        ("*/1/2 * * * *", "minute field cannot step as in '\\*/1/2'"),
        ("*/-1 * * * *", "minute field cannot step"),
        ("0 */25 * * *", "hour field cannot step as in '\\*/25'; after '/' use .* 1 to 24"),
        ("*5 * * * *", "minute field cannot hold '\\*5'"),
        ("*-5 * * * *", "minute field cannot hold '\\*'"),
        ("? * * * *", "minute field cannot hold '\\?'"),
        ("0 0 ?/2 * *", "day-of-month field cannot hold '\\?'"),
        ("0 0 1,? * *", "day-of-month field cannot hold '\\?'"),
        ("1.5 * * * *", "minute field cannot hold '1.5'"),
        ("L * * * *", "minute field cannot hold 'L'"),
        ("0 0 W * *", "day-of-month field cannot hold 'W'; L is the last day"),
        ("0 0 32W * *", "day-of-month field cannot hold '32'"),
        ("0 0 1-5W * *", "day-of-month field cannot hold '1-5W'"),
        ("0 0 L-31 * *", "day-of-month field cannot hold 'L-31'; use L-1 to L-30"),
        ("0 0 L/2 * *", "day-of-month field cannot hold 'L/2'"),
        ("0 0 15#1 * *", "day-of-month field cannot hold '15#1'"),
        ("0 0 * * L", "day-of-week field cannot hold 'L' alone; use 5L or FRIL"),
        ("0 0 * * 8L", "day-of-week field cannot hold '8'"),
        ("0 0 * * FRI#0", "day-of-week field cannot hold 'FRI#0'; after '#' use 1 to 5"),
        ("0 0 * * FRI#6", "after '#' use 1 to 5"),
        ("0 0 * * FRI#", "after '#' use 1 to 5"),
        ("0 0 * * #1", "day-of-week field cannot hold '#1'"),
        ("0 0 * * MON-FRI#1", "day-of-week field cannot hold 'FRI#1'"),
        ("H(5-1) * * * *", "minute field has the reversed range"),
        ("H(0-60) * * * *", "minute field cannot hold '60'"),
        ("H(5) * * * *", "minute field cannot hold 'H\\(5\\)'; spread it with H, H\\(a-b\\)"),
        ("H-5 * * * *", "spread it with H"),
        ("H/0 * * * *", "minute field cannot step as in 'H/0'"),
        ("~/5 * * * *", "minute field cannot step from '~'; use H\\(a-b\\)/n instead"),
        ("5~1 * * * *", "minute field has the reversed range '5~1'"),
        ("1~2~3 * * * *", "minute field cannot hold '2~3'"),
        ("0 0 29~ * *", "day-of-month field has the reversed range '29~'"),
        ("0 0 0 1 1 * H", "year field cannot be spread"),
        ("0 0 0 1 1 * ~", "year field cannot be spread"),
        ("٣ * * * *", "written in ASCII"),
        ("0 0 * * \u017fun", "written in ASCII"),
        ("0\u00a00 * * *", "written in ASCII"),
        ("x" * 300 + " * * * *", "minute field cannot hold 'X{40}…'"),
    ],
)  # fmt: skip
def test_a_refusal_says_which_field_is_wrong_and_what_would_be_right(cron: str, detail: str):
    with pytest.raises(Invalid, match=detail) as refusal:
        parse_cron(cron)
    assert refusal.value.pointer == ""
    assert refusal.value.detail.endswith(".")


@given(
    st.text("0123456789*/-,~?#LWH()@ \tMONFRIJAS", max_size=60)
    | st.text(max_size=30)
    | st.lists(FIELDS, min_size=5, max_size=7).map(" ".join)
)
@examples(deadline=None, max_examples=100)
def test_any_text_is_a_pattern_or_a_refusal(text: str):
    try:
        pattern = parse_cron(text)
    except Invalid:
        return
    found = pattern.next_wall(START)
    assert found is None or pattern.names(found)


@pytest.mark.promise("cron")
def test_a_spread_time_never_changes():
    # These are stored jobs' fire times: a change here moves every one of them.
    golden = {
        "H H * * *": ("2026-01-01T05:44", "2026-01-01T20:44"),
        "H(0-29)/10 H(0-7) H * *": ("2026-01-08T05:04", "2026-01-11T04:04"),
        "0 0 * H H": ("2026-04-07T00:00", "2026-03-06T00:00"),
        "H ~ * * * *": ("2026-01-01T00:44:02", "2026-01-01T00:44:37"),
        "10~19 ~6 * * *": ("2026-01-01T02:14", "2026-01-01T05:14"),
    }
    for expression, firsts in golden.items():
        found = tuple(
            parse_cron(expression, seed=seed).next_wall(START) for seed in ("", "nightly-report")
        )
        assert found == tuple(map(datetime.fromisoformat, firsts))


@pytest.mark.usefixtures("starts_processes")
def test_a_spread_time_is_the_same_in_another_process():
    code = (
        "from domain.schedules.cron.expression import parse_cron; "
        "c = parse_cron('H H(0-7) H H H', seed='a job'); "
        "print(c.minutes, c.hours, c.months)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = parse_cron("H H(0-7) H H H", seed="a job")
    assert told.stdout.strip() == f"{here.minutes} {here.hours} {here.months}"


@pytest.mark.promise("cron")
@pytest.mark.parametrize(
    ("field", "minutes"),
    [
        ("H", range(60)),
        ("~", range(60)),
        ("H(10-19)", range(10, 20)),
        ("10~19", range(10, 20)),
        ("~9", range(10)),
        ("50~", range(50, 60)),
    ],
)
def test_a_thousand_seeds_cover_the_whole_range_evenly(field: str, minutes: range):
    chosen = [parse_cron(f"{field} * * * *", seed=str(seed)).minutes for seed in range(1_000)]
    assert {len(one) for one in chosen} == {1}
    counts = [chosen.count((minute,)) for minute in minutes]
    assert sum(counts) == 1_000
    assert min(counts) > 0
    assert max(counts) < 3 * 1_000 / len(minutes)


@pytest.mark.parametrize("date", ["H", "~"])
def test_a_spread_day_is_one_that_every_month_has(date: str):
    crons = [parse_cron(f"0 0 {date} * *", seed=str(seed)) for seed in range(1_000)]
    assert {days_of(cron.days, MAY) for cron in crons} == {(day,) for day in range(1, 29)}


def test_a_spread_weekday_is_any_of_seven():
    crons = [parse_cron("0 0 * * H", seed=str(seed)) for seed in range(200)]
    assert {days_of(cron.days, Month(0, 7)) for cron in crons} == {(day,) for day in range(1, 8)}


@pytest.mark.parametrize("seed", [str(number) for number in range(20)])
def test_a_spread_step_starts_anywhere_below_the_step(seed: str):
    minutes = parse_cron("H/15 * * * *", seed=seed).minutes
    assert minutes == tuple(range(minutes[0], 60, 15))
    assert minutes[0] < 15
    hours = parse_cron("0 H(8-17)/3 * * *", seed=seed).hours
    assert hours == tuple(range(hours[0], 18, 3))
    assert 8 <= hours[0] < 11


def test_fields_of_one_job_are_spread_independently():
    pairs = {
        (parse_cron("H H(0-59) * * * *", seed=str(seed)).seconds,
         parse_cron("H H(0-59) * * * *", seed=str(seed)).minutes)
        for seed in range(300)
    }  # fmt: skip
    assert len({seconds == minutes for seconds, minutes in pairs}) == 2
    assert len(pairs) > 250


def test_parts_of_one_field_share_their_hash_and_keep_their_distance():
    for seed in range(50):
        first, second = parse_cron("H(0-29),H(30-59) * * * *", seed=str(seed)).minutes
        assert second - first == 30


def test_without_a_spread_the_seed_changes_nothing():
    assert parse_cron("0 3 * * MON", seed="one") is parse_cron("0 3 * * MON", seed="other")
    assert parse_cron("0 3 * * MON") is parse_cron("0 3 * * mon")


def test_jobs_that_are_spread_over_the_hour_share_their_days():
    # Each keeps a pattern in memory; a copy of all days would make that five times as large.
    assert parse_cron("H * * * *", seed="one").days is parse_cron("H * * * *", seed="other").days
