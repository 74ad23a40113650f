import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { cpuFeatures } from '../src/engine/runtime/describe-device.js'
import { killLaunches, Launch, train } from './launch.js'

const RUN = ['--recipe', 'quick', '--max-steps', '6', '--seed', '7', '--json']

describe('the same configuration gives the same weights, bit for bit', () => {
  let expected: string | undefined
  after(killLaunches)

  /** Every way of running is compared with the first. */
  function agrees(hash: unknown): void {
    assert.match(String(hash), /^[0-9a-f]{64}$/)
    expected ??= String(hash)
    assert.equal(hash, expected)
  }

  for (const workers of [1, 2, 3]) {
    it(`on ${workers} worker processes`, async () => {
      const result = await train([...RUN, '--workers', String(workers)])
      assert.equal(result['steps'], 6)
      assert.equal(result['samplesSeen'], 6 * 128)
      agrees(result['weightsSha256'])
    })
  }

  it('in one process', async () => {
    agrees((await train([...RUN, '--standalone']))['weightsSha256'])
  })

  it('whatever the environment tells TensorFlow', async () => {
    const told = { ONEDNN_MAX_CPU_ISA: 'AVX2', TF_XLA_FLAGS: '--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit' }
    const launch = new Launch(['train', ...RUN, '--workers', '1'], { ...told, TF_ONEDNN_ASSUME_FROZEN_WEIGHTS: '1' })
    agrees((await launch.result())['weightsSha256'])
  })

  it('when one of two workers is killed in the middle', async () => {
    const launch = new Launch(['train', ...RUN.slice(0, -1), '--max-steps', '40', '--workers', '2', '--json'])
    const undisturbed = train([...RUN.slice(0, -1), '--max-steps', '40', '--workers', '1', '--json'])
    await launch.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 5)
    const [victim] = await launch.workerPids()
    process.kill(victim!, 'SIGKILL')
    const result = await launch.result()
    assert.equal(result['weightsSha256'], (await undisturbed)['weightsSha256'])
    assert.equal(result['steps'], 40)
  })

  it('when workers of other terminals join and leave a coordinator, one of them over the network alone', async () => {
    const coordinator = new Launch(['coordinator', ...RUN, '--metrics-listen', '127.0.0.1:0'])
    const { address } = await coordinator.announcement()
    const first = new Launch(['worker', '--join', address])
    const second = new Launch(['worker', '--join', address, '--no-shared-memory'])
    await coordinator.untilMetrics((line) => line['kind'] === 'step')
    first.terminate()
    assert.equal(await first.status(), 0)
    agrees((await coordinator.result())['weightsSha256'])
    assert.equal(await second.status(), 0)
  })

  const noBfloat16 = !cpuFeatures().some((feature) => feature.endsWith('bf16')) && 'this CPU has no bfloat16'
  it('in bfloat16, where they are others', { skip: noBfloat16 }, async () => {
    const low = [...RUN, '--precision', 'bfloat16']
    const one = await train([...low, '--workers', '1'])
    const two = await train([...low, '--workers', '2'])
    assert.equal(one['weightsSha256'], two['weightsSha256'])
    assert.notEqual(one['weightsSha256'], expected)
  })

  it('but not for another seed', async () => {
    const result = await train(['--recipe', 'quick', '--max-steps', '6', '--seed', '8', '--json', '--workers', '2'])
    assert.notEqual(result['weightsSha256'], expected)
  })
})
