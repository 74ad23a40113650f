import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { cpuFeatures } from '../../src/tensorflow/runtime/describe-device.js'
import { GreyRun } from '../support/grey-run.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const grey = new GreyRun()
const { environment } = grey
const RUN = [...grey.args, '--json']
const SHORT = [...RUN, '--seed', '7', '--max-steps', '6']
/** More than four epochs, with an evaluation after each. */
const LONG_STEPS = 25

async function train(args: readonly string[], more: NodeJS.ProcessEnv = {}): Promise<Json> {
  return new Launch(['train', ...args], { ...environment, ...more }).result()
}

describe('the same configuration gives the same weights, bit for bit', () => {
  /** From a plain loop in this process, because the bits depend on the processor. */
  let short: string | undefined
  let long: string | undefined
  before(async () => {
    ;[short, long] = await grey.plainHashes([6, LONG_STEPS])
  })
  after(() => {
    killLaunches()
    grey.remove()
  })

  function agrees(hash: unknown, expected = short): void {
    assert.match(String(expected), /^[0-9a-f]{64}$/)
    assert.equal(hash, expected)
  }
  function differs(hash: unknown): void {
    for (const one of [hash, short]) assert.match(String(one), /^[0-9a-f]{64}$/)
    assert.notEqual(hash, short)
  }

  for (const workers of [1, 2, 3]) {
    it(`on ${workers} worker processes`, async () => {
      const result = await train([...SHORT, '--workers', String(workers)])
      assert.equal(result['steps'], 6)
      assert.equal(result['samplesSeen'], 6 * 128)
      agrees(result['weightsSha256'])
    })
  }

  it('in one process', async () => {
    agrees((await train([...SHORT, '--standalone']))['weightsSha256'])
  })

  it("in the coordinator's process until a worker joins, which goes on", async () => {
    const steps = ['--seed', '7', '--max-steps', String(LONG_STEPS)]
    const launch = new Launch(['train', ...RUN, ...steps, '--launcher', 'adaptive', '--workers', '1'], environment)
    const { address } = await launch.announcement()
    await launch.untilMetrics((line) => line['kind'] === 'step')
    const worker = new Launch(['worker', '--join', address], environment)
    await launch.untilMetrics((line) => line['kind'] === 'worker-joined')
    const joinedAt = Math.max(...(await launch.metrics()).map((line) => Number(line['step'] ?? 0)))
    assert.ok(joinedAt < LONG_STEPS, 'the worker came too late to compute')
    agrees((await launch.result())['weightsSha256'], long)
    assert.equal(await worker.status(), 0)
  })

  it('with TensorFlow settings in the environment', async () => {
    const settings = { ONEDNN_MAX_CPU_ISA: 'AVX2', TF_XLA_FLAGS: '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' }
    const result = await train([...SHORT, '--workers', '1'], { ...settings, TF_ONEDNN_ASSUME_FROZEN_WEIGHTS: '1' })
    agrees(result['weightsSha256'])
  })

  it('when one of two workers is killed in the middle', async () => {
    const steps = ['--seed', '7', '--max-steps', String(LONG_STEPS)]
    const launch = new Launch(['train', ...RUN, ...steps, '--workers', '2'], environment)
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 5)
    const [victim] = launch.workerPids()
    process.kill(victim!, 'SIGKILL')
    const result = await launch.result()
    assert.equal(result['steps'], LONG_STEPS)
    agrees(result['weightsSha256'], long)
  })

  it('when workers join and leave a coordinator, one of them without shared memory', async () => {
    const coordinator = new Launch(['coordinator', ...SHORT, '--metrics-listen', '127.0.0.1:0'], environment)
    const { address } = await coordinator.announcement()
    const first = new Launch(['worker', '--join', address], environment)
    const second = new Launch(['worker', '--join', address, '--no-shared-memory'], environment)
    await coordinator.untilMetrics((line) => line['kind'] === 'step')
    first.terminate()
    assert.equal(await first.status(), 0)
    agrees((await coordinator.result())['weightsSha256'])
    assert.equal(await second.status(), 0)
  })

  const noBfloat16 = !cpuFeatures().some((feature) => feature.endsWith('bf16')) && 'this CPU has no bfloat16'
  it('in bfloat16, with other bits than in float32', { skip: noBfloat16 }, async () => {
    const low = [...SHORT, '--precision', 'bfloat16']
    const one = await train([...low, '--workers', '1'])
    const two = await train([...low, '--workers', '2'])
    assert.equal(one['weightsSha256'], two['weightsSha256'])
    differs(one['weightsSha256'])
  })

  it('but not for another seed', async () => {
    differs((await train([...RUN, '--seed', '8', '--max-steps', '6', '--workers', '2']))['weightsSha256'])
  })
})
