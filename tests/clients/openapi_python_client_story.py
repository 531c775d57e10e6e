"""The story of `tests.clients`, told by a client that openapi-python-client made."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

from tocsin_client import AuthenticatedClient
from tocsin_client.api.jobs import (
    create_job,
    delete_job,
    get_job,
    get_ledger,
    list_jobs,
    list_runs,
    resume_job,
    trigger_job,
    update_job,
)
from tocsin_client.models import (
    FireOutcome,
    HttpTargetBody,
    HttpTargetBodyType,
    JobBody,
    JobChangesBody,
    JobPage,
    JobResource,
    JobState,
    LedgerPage,
    ListedJob,
    Problem,
    RunPage,
    RunResource,
    ScheduleBody,
)


def main() -> None:
    client = AuthenticatedClient(os.environ["TOCSIN_URL"], os.environ["TOCSIN_KEY"])
    target = HttpTargetBody(type_=HttpTargetBodyType.HTTP, url=os.environ["TARGET_URL"])
    body = JobBody(name="generated", schedule=ScheduleBody(every="PT1S"), target=target)
    job = create_job.sync(client=client, body=body)
    assert isinstance(job, JobResource), job
    assert job.schedule.every == "PT1S"
    assert isinstance(job.next_fire_at, datetime)

    listed = list_jobs.sync(client=client, state=[JobState.ACTIVE, JobState.PAUSED])
    assert isinstance(listed, JobPage), listed
    assert [one.id for one in listed.items] == [job.id]

    read = get_job.sync(job.id, client=client)
    assert isinstance(read, JobResource), read
    some = get_job.sync(job.id, client=client, fields="id,name")
    assert isinstance(some, ListedJob), some
    assert (some.id, some.name) == (job.id, "generated")
    known = get_job.sync_detailed(job.id, client=client).headers["etag"]
    again = get_job.sync_detailed(job.id, client=client, if_none_match=known)
    assert again.status_code in {200, 304}  # it may have fired meanwhile

    changes = JobChangesBody(description="Changed by a generated client.")
    changed = update_job.sync(job.id, client=client, body=changes)
    assert isinstance(changed, JobResource), changed
    assert (changed.name, changed.description) == ("generated", changes.description)
    wrong = create_job.sync(client=client, body=JobBody(schedule=ScheduleBody(), target=target))
    assert isinstance(wrong, Problem), wrong
    assert wrong.status == 422

    # Neither has a body.
    run = trigger_job.sync(job.id, client=client)
    assert isinstance(run, RunResource), run
    assert isinstance(resume_job.sync(job.id, client=client), JobResource)

    deadline = time.monotonic() + 60
    while True:
        runs = list_runs.sync(job.id, client=client)
        ledger = get_ledger.sync(
            job.id,
            client=client,
            from_=datetime.now(UTC) - timedelta(hours=1),
            to=datetime.now(UTC) + timedelta(hours=1),
        )
        assert isinstance(runs, RunPage), runs
        assert isinstance(ledger, LedgerPage), ledger
        rang = [one for one in runs.items if one.status_code == 200]
        fired = [one for one in ledger.items if one.outcome is FireOutcome.RUN]
        if rang and fired:
            break
        assert time.monotonic() < deadline, (runs, ledger)
        time.sleep(0.1)
    assert rang[0].job_name == "generated"
    assert delete_job.sync_detailed(job.id, client=client).status_code == 204


if __name__ == "__main__":
    main()
