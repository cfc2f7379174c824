import { once } from 'node:events'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import * as gaiwan from 'gaiwan'
import * as blobs from 'gaiwan/blobs'
import { job } from './job.cjs'

// The main thread has the addon loaded when the worker loads it again, for itself.
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url))
  const [[outcome]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')])
  console.log(JSON.stringify(outcome))
} else {
  parentPort.postMessage(await job(gaiwan, blobs))
}
