import type { WorkerPool } from '../coordinator/worker-pool.js'
import type { SchedulerLimits } from '../scheduler/limits.js'

/** Heartbeats beyond the limit before a silent worker is a violation. */
const MORE_HEARTBEATS = 2

/** @returns the first violation by the leases of a pool: a worker with two, a shard with too many, or a worker that must not have one */
export function leaseViolation(pool: WorkerPool, { leasesPerShard }: SchedulerLimits): string | undefined {
  const owners = new Set<number>()
  const leasesOf = new Map<number, number>()
  for (const { worker, firstShard, shardCount } of pool.leases) {
    if (owners.has(worker)) return `worker ${worker} holds two leases`
    owners.add(worker)
    for (let shard = firstShard; shard < firstShard + shardCount; shard++) {
      const count = (leasesOf.get(shard) ?? 0) + 1
      if (count > leasesPerShard) return `shard ${shard} has more than ${leasesPerShard} leases`
      leasesOf.set(shard, count)
    }
  }
  for (const worker of owners) {
    const state = pool.stateOf(worker)
    if (state !== 'busy' && state !== 'suspect' && state !== 'draining')
      return `worker ${worker} is ${state ?? 'gone'} and holds a lease`
  }
  return undefined
}

/** @returns the worker that was silent for longer than allowed. Without this check the others would do its work unnoticed */
export function silenceViolation(
  pool: WorkerPool,
  { deadHeartbeats, heartbeatMs }: SchedulerLimits,
): string | undefined {
  const maxSeconds = ((deadHeartbeats + MORE_HEARTBEATS) * heartbeatMs) / 1000
  const silent = pool
    .workers()
    .find(({ state, heartbeatAgeSeconds }) => state !== 'joining' && heartbeatAgeSeconds > maxSeconds)
  return silent && `${silent.name} has been silent for ${silent.heartbeatAgeSeconds} s and still takes part`
}
