/** `node --import ./busy.mjs …`: a program that computes for 20 ms in every 40 ms and keeps its thread meanwhile. */
const COMPUTE_MS = 20
const FREE_MS = 20

function compute() {
  const end = performance.now() + COMPUTE_MS
  while (performance.now() < end);
  setTimeout(compute, FREE_MS).unref()
}

setTimeout(compute, FREE_MS).unref()
