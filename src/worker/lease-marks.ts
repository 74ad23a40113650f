import { channel } from 'node:diagnostics_channel'

/** A lease on the compute thread: it `came`, or its result was `delivered`, that is, lies in memory or is with the thread that sends it. */
export interface LeaseMark {
  readonly point: 'came' | 'delivered'
  readonly step: number
}

/** Name of the diagnostics channel with a {@link LeaseMark} for each point. */
export const LEASE_MARKS = 'convoy.lease'

const marks = channel(LEASE_MARKS)

/** Publishes a point to a benchmark that subscribed; costs nothing otherwise. */
export function markLease(point: LeaseMark['point'], step: number): void {
  if (marks.hasSubscribers) marks.publish({ point, step } satisfies LeaseMark)
}
