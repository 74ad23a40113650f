import type { Mutation } from './mutation.js'

const SCHEDULER = 'scheduler/scheduler.js'
const WORKERS = 'scheduler/worker-table.js'
const TASK = 'scheduler/active-task.js'
const SHARDS = 'scheduler/task-shards.js'
const LEASES = 'worker/worker-leases.js'
const AUDIT = 'scheduler/audit.js'
const POOL = 'coordinator/worker-pool.js'
const SUM = 'coordinator/pool-task.js'

/** Faults in the scheduling core: `npm run mutation-test` plants each of them, and the simulation must catch it. */
export const SCHEDULER_MUTATIONS: readonly Mutation[] = [
  {
    name: 'a result counts though its lease was revoked',
    file: SCHEDULER,
    find: 'this.#task.leases.delete(lease.id);',
    replace: '',
  },
  {
    name: 'a result counts twice',
    file: SUM,
    find: 'this.#sum = this.#tree.add(firstShard, shardCount, vector);',
    replace:
      'this.#sum = this.#tree.add(firstShard, shardCount, vector); if (shardCount === 1) vector.forEach((value, index) => { vector[index] = value * 2; });',
  },
  {
    name: 'leases of a lost worker are forgotten instead of reissued',
    file: SCHEDULER,
    find: "this.#reissue(lease, 'lost', reason);",
    replace: "this.#reissue(lease, 'lost', reason); this.#task.leases.add(lease);",
  },
  {
    name: 'overlapping leases are not revoked when one of them counts',
    file: SCHEDULER,
    find: 'if (overlap(lease, other))',
    replace: 'if (false)',
  },
  {
    name: 'a task is done one shard too early',
    file: SHARDS,
    find: 'return this.#left === 0;',
    replace: 'return this.#left <= 1;',
  },
  {
    name: 'counted shards can be leased again',
    file: SHARDS,
    find: '!counted && matches(first + index)',
    replace: 'matches(first + index)',
  },
  {
    name: 'silent workers are never dropped',
    file: WORKERS,
    find: 'silentMs > deadHeartbeats * heartbeatMs',
    replace: 'silentMs > 1e12',
  },
  {
    name: 'hung workers are never dropped and their shards never rescued',
    file: WORKERS,
    find: 'this.nowMs - worker.progressMs > progressMs',
    replace: 'false',
  },
  {
    name: 'a suspect worker stays suspect after another heartbeat',
    file: WORKERS,
    find: "this.become(worker, worker.lease ? 'busy' : 'ready');",
    replace: ';',
  },
  {
    name: 'quarantine never ends',
    file: WORKERS,
    find: 'this.#failureHistory.quarantinedUntilMs(worker.name) <= this.nowMs',
    replace: 'false',
  },
  {
    name: 'quarantine of one worker is quarantine of all',
    file: SCHEDULER,
    find: 'if (worker.name !== name)',
    replace: 'if (false)',
  },
  {
    name: 'a suspect worker that loses its lease is dismissed',
    file: WORKERS,
    find: "this.become(worker, 'ready');\n        else if (worker.state === 'draining')",
    replace: "this.become(worker, 'ready');\n        else",
  },
  {
    name: 'a non-finite result is accepted',
    file: SUM,
    find: 'const bad = firstBadValue(vector);',
    replace: 'const bad = -1;',
  },
  {
    name: 'an audited result counts before it was compared',
    file: SCHEDULER,
    find: 'if (lease.audit === undefined)\n            return this.#count',
    replace: 'if (true)\n            return this.#count',
  },
  {
    name: 'an audit is satisfied with two results of the same worker',
    file: AUDIT,
    find: 'other.name !== name && other.hash === hash',
    replace: 'other.hash === hash',
  },
  {
    name: 'every step is applied twice',
    file: 'training/trainer.js',
    find: 'const outcome = applyGradient(state, sum, model.layout, config, this.#plannedSteps);',
    replace:
      'applyGradient(state, sum, model.layout, config, this.#plannedSteps);\n        const outcome = applyGradient(state, sum, model.layout, config, this.#plannedSteps);',
  },
  {
    name: 'the run gives up at the first failure',
    file: TASK,
    find: 'failures >= failuresPerShard',
    replace: 'failures >= 1',
  },
  {
    name: 'all idle workers rescue the same shards',
    file: TASK,
    find: 'this.leases.countOf(shard) < this.#limits.leasesPerShard',
    replace: 'true',
  },
  {
    name: 'leases carry the weights version of the next step',
    file: POOL,
    find: 'firstShard: firstShard + first, shardCount, weightsVersion };',
    replace: 'firstShard: firstShard + first, shardCount, weightsVersion: weightsVersion - (first === 3 ? 1 : 0) };',
  },
  {
    name: 'a worker computes a lease before its weights are there',
    file: LEASES,
    find: 'lease === undefined || lease.weightsVersion > this.#weightsVersion',
    replace: 'lease === undefined',
  },
]
