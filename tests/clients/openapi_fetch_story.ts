// The story of `tests.clients`, told by openapi-fetch with the types of openapi-typescript.
import createClient from "openapi-fetch";
import type { paths } from "./schema";

const client = createClient<paths>({
  baseUrl: process.env.TOCSIN_URL!,
  headers: { Authorization: `Bearer ${process.env.TOCSIN_KEY}` },
});

function present<T>(value: T | undefined, told: unknown): T {
  if (value === undefined) throw new Error(JSON.stringify(told));
  return value;
}

function check(right: boolean, told: unknown): void {
  if (!right) throw new Error(JSON.stringify(told));
}

async function main(): Promise<void> {
  const created = await client.POST("/jobs", {
    body: {
      name: "generated",
      schedule: { every: "PT1S" },
      target: { type: "http", url: process.env.TARGET_URL! },
    },
  });
  const job = present(created.data, created.error);
  check(job.schedule.every === "PT1S", job);

  const listed = await client.GET("/jobs", { params: { query: { state: ["active", "paused"] } } });
  check(present(listed.data, listed.error).items[0].id === job.id, listed.data);

  const path = { job_id: job.id };
  const read = await client.GET("/jobs/{job_id}", { params: { path } });
  check(present(read.data, read.error).name === "generated", read.data);

  const changed = await client.PATCH("/jobs/{job_id}", {
    params: { path },
    body: { description: "Changed by a generated client." },
  });
  check(present(changed.data, changed.error).version === 2, changed.data);

  const wrong = await client.POST("/jobs", {
    body: { schedule: {}, target: { type: "http", url: "x" } },
  });
  check(wrong.error?.status === 422 && (wrong.error.errors ?? []).length === 2, wrong.error);

  const triggered = await client.POST("/jobs/{job_id}/trigger", { params: { path } });
  check(present(triggered.data, triggered.error).job_id === job.id, triggered.data);

  const deadline = Date.now() + 60_000;
  for (;;) {
    const runs = present((await client.GET("/jobs/{job_id}/runs", { params: { path } })).data, "runs");
    const to = new Date(Date.now() + 3_600_000).toISOString();
    const ledger = await client.GET("/jobs/{job_id}/ledger", { params: { path, query: { to } } });
    const fired = present(ledger.data, ledger.error).items.some((one) => one.outcome === "run");
    if (fired && runs.items.some((one) => one.status_code === 200)) break;
    check(Date.now() < deadline, runs);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const deleted = await client.DELETE("/jobs/{job_id}", { params: { path } });
  check(deleted.response.status === 204, deleted.error);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
