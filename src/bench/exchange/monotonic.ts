/** Milliseconds of a clock that all processes and threads of the machine share; `performance.now` counts from the start of each. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
