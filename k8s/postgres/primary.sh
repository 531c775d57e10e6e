#!/bin/sh
# For compose.yaml: what the primary's first start does besides: somebody may stream from it.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set password="$POSTGRES_PASSWORD" << 'END'
CREATE ROLE replication LOGIN REPLICATION PASSWORD :'password';
SELECT pg_create_physical_replication_slot('replica');
END
echo 'host replication replication all scram-sha-256' >> "$PGDATA/pg_hba.conf"
