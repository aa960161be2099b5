// Posts texts as jobs of BullMQ on Redis: `bullmq_texts.mjs URL COUNT PORT`; prints the seconds.
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";

const [url, count, port] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const connection = new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: null });
const queue = new Queue("texts", { connection });
await queue.addBulk(Array.from({ length: count }, (_, number) => ({ name: "text", data: { number } })));
const body = JSON.stringify({
  to: ["+13125550142"],
  template: { id: "2031460771195412480", params: { name: "Ines" } },
});
const headers = { "content-type": "application/json" };
let done = 0;
const began = performance.now();
const worker = new Worker(
  "texts",
  async () => (await (await fetch(`${url}/v1/messages`, { method: "POST", headers, body })).json()).message_id,
  { connection, concurrency: 8 },
);
worker.on("completed", async () => {
  done += 1;
  if (done === count) {
    console.log((performance.now() - began) / 1000);
    process.exit(0);
  }
});
