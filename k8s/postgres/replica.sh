#!/bin/sh
# For compose.yaml: a replica is a copy of the primary that follows it.
set -eu
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    PGPASSWORD=$POSTGRES_PASSWORD pg_basebackup --host postgres --username replication \
        --pgdata "$PGDATA" --wal-method stream --slot replica --write-recovery-conf
    chmod 700 "$PGDATA"
fi
exec postgres -c max_connections=400 -c hot_standby_feedback=on
