#!/bin/sh
# Rings a first job of what compose.yaml started, and fails unless it rang: ring.sh URL
set -eu
url=$1
key=$(docker compose run --rm --no-deps -T migrate key create --service "ring-$$")
call() { curl --silent --show-error --fail --header "Authorization: Bearer $key" "$@"; }

job=$(call "$url/jobs" --json '{"schedule": {"after": "PT1S"}, "target": {"type": "actor", "actor": "log"}}' \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
for _ in $(seq 20); do
    if call "$url/jobs/$job/runs" | grep -q '"state":"succeeded"'; then
        echo "It rang."
        exit 0
    fi
    sleep 1
done
echo "It did not ring: $(call "$url/jobs/$job/runs")" >&2
exit 1
