// The story of `tests.clients`, with what orval made: functions that fetch, and zod's schemas, by
// which whatever is sent and answered is checked.
import { createJob, deleteJob, getJob, getLedger, listJobs, listRuns, triggerJob, updateJob } from "./client";
// orval makes schemas of answers with 200 only.
import {
  createJobBody, getJobResponse, getLedgerResponse, listJobsResponse, listRunsResponse, updateJobResponse,
} from "./schemas";

const real = globalThis.fetch;
globalThis.fetch = (address, init) =>
  real(new URL(String(address), process.env.TOCSIN_URL), {
    ...init,
    headers: { ...init?.headers, Authorization: `Bearer ${process.env.TOCSIN_KEY}` },
  });

function check(right: boolean, told: unknown): void {
  if (!right) throw new Error(JSON.stringify(told));
}

async function main(): Promise<void> {
  const body = {
    name: "generated",
    schedule: { every: "PT1S" },
    target: { type: "http" as const, url: process.env.TARGET_URL! },
  };
  createJobBody.parse(body);
  const created = await createJob(body);
  if (created.status !== 201) throw new Error(JSON.stringify(created));
  const job = created.data;
  getJobResponse.parse(job);
  listJobsResponse.parse((await listJobs({ state: ["active", "paused"] })).data);
  getJobResponse.parse((await getJob(job.id)).data);
  updateJobResponse.parse((await updateJob(job.id, { description: "Changed by a generated client." })).data);
  check((await triggerJob(job.id)).status === 202, job);
  const deadline = Date.now() + 60_000;
  for (;;) {
    const runs = listRunsResponse.parse((await listRuns(job.id)).data);
    const to = new Date(Date.now() + 3_600_000).toISOString();
    const ledger = getLedgerResponse.parse((await getLedger(job.id, { to })).data);
    const fired = ledger.items.some((one) => one.outcome === "run");
    if (fired && runs.items.some((one) => one.status_code === 200)) break;
    check(Date.now() < deadline, runs);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  check((await deleteJob(job.id)).status === 204, job);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
