#!/bin/sh
# openapi-typescript 7.13.0: a field of a request body that has a default must be sent.
#
# Guess: what has a default and is not listed as required may be left out, as JSON Schema has it.
#
# In words: by default such a field is generated without the question mark, for requests as for
# answers, so that `tsc --strict` refuses every request that relies on a default. The option
# --default-non-nullable=false makes it optional; so does a default that is told in words only.
#
# Output seen; the script ends with 1 if it differs:
#   usual: name: string; limit: number; note?: string;
#   --default-non-nullable=false: name: string; limit?: number; note?: string;
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit openapi-typescript@7.13.0 typescript@5.9.3 >/dev/null
cat > api.json <<'JSON'
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}, "components": {"schemas":
 {"Body": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"},
  "limit": {"type": "number", "default": 10}, "note": {"type": "string"}}}}}}
JSON
fields() {
    npx openapi-typescript api.json "$@" 2>/dev/null | grep -E '^ +(name|limit|note)\??:' |
        tr -s ' \n' ' ' | sed 's/^ //; s/ $//'
}
{
    echo "usual: $(fields)"
    echo "--default-non-nullable=false: $(fields --default-non-nullable=false)"
} | tee seen
cat > expected <<'TEXT'
usual: name: string; limit: number; note?: string;
--default-non-nullable=false: name: string; limit?: number; note?: string;
TEXT
cmp -s seen expected || { echo "It is otherwise now."; exit 1; }
