// Receives what Tocsin rings: checks the signature, and does the work of each run once.
//
//   TOCSIN_SIGNING_SECRET=whsec_... node receiver.mjs --port 9100 --folder done
//
// Needs Node 18 and nothing else. Your part is `work`.

import { createHmac, timingSafeEqual } from "node:crypto";
import { access, mkdir, open } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";

// What was signed longer ago may be an old request that somebody sends again.
const TOLERANCE_SECONDS = 300;
const LONGEST_BODY = 1024 * 1024;
const RUN_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

// Do what the run is for. If the process dies between this and the note that it is done, it is done
// again: where that matters, keep the note in your database, in the transaction of the work, as
// receiver.py does, and give what lies elsewhere the run's id as its idempotency key.
async function work(runId, body) {
  console.log(`did ${runId}: ${body.length} bytes`);
}

class Refused extends Error {}

// The run's id, once one of the signatures is by one of the secrets. The body is that which came:
// what JSON.stringify writes anew is signed by nobody.
function verify(secrets, headers, body, now) {
  const runId = headers["webhook-id"] ?? "";
  const timestamp = headers["webhook-timestamp"] ?? "";
  if (!/^\d+$/.test(timestamp) || Math.abs(now - Number(timestamp)) > TOLERANCE_SECONDS) {
    throw new Refused("no webhook-timestamp, or not one of now");
  }
  // Two while a secret is replaced by another.
  const given = (headers["webhook-signature"] ?? "").split(" ").map((one) => Buffer.from(one));
  for (const secret of secrets) {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const mac = createHmac("sha256", key).update(`${runId}.${timestamp}.`).update(body);
    const made = Buffer.from(`v1,${mac.digest("base64")}`);
    if (given.some((one) => one.length === made.length && timingSafeEqual(one, made))) {
      if (!RUN_ID.test(runId)) throw new Refused("webhook-id is no run's id");
      return runId;
    }
  }
  throw new Refused("no signature by a secret that is known");
}

async function bytesOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LONGEST_BODY) return null;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const working = new Set();

// Do the work unless it is done: one empty file for each run. Remove those that are older than the
// last retry of a run, and than a backup that you would restore Tocsin from.
async function doOnce(folder, runId, body) {
  const note = join(folder, runId);
  if (await access(note).then(() => true, () => false)) return console.log(`had done ${runId}`);
  await work(runId, body);
  const file = await open(note, "w");
  await file.sync();
  await file.close();
}

function receiver(secrets, folder) {
  return async (request, response) => {
    const answer = (status, headers = {}) => response.writeHead(status, headers).end();
    if (request.method !== "POST") return answer(405, { allow: "POST" });
    let runId = null;
    try {
      const body = await bytesOf(request);
      if (body === null) return answer(413, { connection: "close" });
      const verified = verify(secrets, request.headers, body, Date.now() / 1000);
      // Tocsin rings again; by then the first one knows.
      if (working.has(verified)) return answer(503, { "retry-after": "1" });
      working.add((runId = verified));
      await doOnce(folder, runId, body);
      return answer(204); // only a 2xx tells Tocsin that it is done
    } catch (error) {
      console.error(error instanceof Refused ? `refused: ${error.message}` : error);
      return answer(error instanceof Refused ? 401 : 500);
    } finally {
      working.delete(runId);
    }
  };
}

const { values: chosen } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "9100" },
    folder: { type: "string", default: "done" },
  },
});
const secrets = (process.env.TOCSIN_SIGNING_SECRET ?? "").split(" ").filter(Boolean);
if (secrets.length === 0) {
  console.error("Set TOCSIN_SIGNING_SECRET to whsec_..., or to several with spaces between.");
  process.exit(1);
}
await mkdir(chosen.folder, { recursive: true });
const server = createServer(receiver(secrets, chosen.folder));
server.listen(Number(chosen.port), chosen.host, () => {
  console.log(`listening on http://${chosen.host}:${server.address().port}`);
});
