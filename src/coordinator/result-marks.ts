import { channel } from 'node:diagnostics_channel'

/** A result on its way: `there` when its first message is, `read` when its whole vector is in memory. */
export interface ResultMark {
  readonly point: 'there' | 'read'
  readonly worker: number
}

/** Name of the diagnostics channel with a {@link ResultMark} for each point. */
export const RESULT_MARKS = 'convoy.result'

const marks = channel(RESULT_MARKS)

/** Publishes a point to a benchmark that subscribed; costs nothing otherwise. */
export function markResult(point: ResultMark['point'], worker: number): void {
  if (marks.hasSubscribers) marks.publish({ point, worker } satisfies ResultMark)
}
