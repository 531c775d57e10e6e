"""The story of `tests.clients`, told by a client that openapi-generator made."""

from __future__ import annotations

import os
import time

from tocsin_generated import ApiClient, Configuration
from tocsin_generated.api import JobsApi
from tocsin_generated.exceptions import ApiException
from tocsin_generated.models import (
    Duration,
    FireOutcome,
    HttpTargetBody,
    JobBody,
    JobBodyTarget,
    JobChangesBody,
    JobState,
    ScheduleBody,
)


def main() -> None:
    configuration = Configuration(os.environ["TOCSIN_URL"], access_token=os.environ["TOCSIN_KEY"])
    jobs = JobsApi(ApiClient(configuration))
    target = JobBodyTarget(HttpTargetBody(type="http", url=os.environ["TARGET_URL"]))
    schedule = ScheduleBody(every=Duration("PT1S"))
    job = jobs.create_job(JobBody(name="generated", schedule=schedule, target=target))
    assert job.schedule.every == "PT1S"

    listed = jobs.list_jobs(state=[JobState.ACTIVE, JobState.PAUSED])
    assert [one.id for one in listed.items] == [job.id]
    read = jobs.get_job(job.id).actual_instance
    assert (read.id, read.name) == (job.id, "generated")
    changes = JobChangesBody(description="Changed by a generated client.")
    changed = jobs.update_job(job.id, changes)
    assert (changed.name, changed.description) == ("generated", changes.description)
    assert _status_of(jobs, JobBody(schedule=ScheduleBody(), target=target)) == 422

    run = jobs.trigger_job(job.id)
    assert run.job_id == job.id
    deadline = time.monotonic() + 60
    while True:
        runs = jobs.list_runs(job.id).items
        ledger = jobs.get_ledger(job.id).items
        rang = [one for one in runs if one.status_code == 200]
        if rang and any(one.outcome == FireOutcome.RUN for one in ledger):
            break
        assert time.monotonic() < deadline, (runs, ledger)
        time.sleep(0.1)
    assert rang[0].job_name == "generated"
    jobs.delete_job(job.id)


def _status_of(jobs: JobsApi, body: JobBody) -> int:
    try:
        jobs.create_job(body)
    except ApiException as refusal:
        return int(refusal.status)
    return 201


if __name__ == "__main__":
    main()
