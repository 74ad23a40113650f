import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { freePort } from '../support/free-port.js'
import { GreyRun } from '../support/grey-run.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'

const grey = new GreyRun()
const { environment } = grey
const STEPS = 10
const RUN = [...grey.args, '--json', '--seed', '7', '--max-steps', String(STEPS)]
const BFLOAT16 = ['--wire', 'bfloat16']
const LISTEN = ['--metrics-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']

function coordinate(wire: readonly string[], port = 0): Launch {
  return new Launch(['coordinator', ...RUN, ...wire, '--listen', `127.0.0.1:${port}`, ...LISTEN], environment, true)
}

function work(address: string, ...flags: readonly string[]): Launch {
  return new Launch(['worker', '--join', address, '--patience', '300', ...flags], environment)
}

/** A worker that has loaded TensorFlow and looks for the coordinator: the steps begin with all workers. */
async function waitingWorker(port: number, path: string): Promise<Launch> {
  const worker = work(`127.0.0.1:${port}`, ...(path === 'network' ? ['--no-shared-memory'] : []))
  await worker.untilStderr(/No coordinator answers/)
  return worker
}

/** Bytes of a kind that came over the network so far. */
async function received(metricsUrl: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text()
  const line =
    /^convoy_traffic_bytes_total\{(?=.*kind="results")(?=.*direction="received")(?=.*path="network").*\} (\S+)$/m
  return Number(line.exec(text)![1])
}

describe('wire bfloat16 gives the same weights, bit for bit', () => {
  /** From a plain loop in this process. */
  let expected: string | undefined
  let ofFloat32: string | undefined
  before(async () => {
    ;[expected] = await grey.plainHashes([STEPS], 'bfloat16')
    ;[ofFloat32] = await grey.plainHashes([STEPS])
  })
  after(() => {
    killLaunches()
    grey.remove()
  })

  it('on 1, 2 and 3 workers over memory, other ones than float32', async () => {
    assert.notEqual(expected, ofFloat32)
    for (const workers of ['1', '2', '3']) {
      const result = await new Launch(['train', ...RUN, ...BFLOAT16, '--workers', workers], environment).result()
      assert.equal(result['weightsSha256'], expected, `${workers} workers`)
    }
  })

  it('in one process, and in that of the coordinator without a worker', async () => {
    for (const flags of [['--standalone'], ['--launcher', 'adaptive', '--workers', '1']]) {
      const result = await new Launch(['train', ...RUN, ...BFLOAT16, ...flags], environment).result()
      assert.equal(result['weightsSha256'], expected, flags.join(' '))
    }
  })

  for (const paths of [['network'], ['network', 'memory', 'network']])
    it(`on workers over ${paths.join(', ')}`, async () => {
      const port = await freePort()
      const workers = await Promise.all(paths.map(async (path) => waitingWorker(port, path)))
      assert.equal((await coordinate(BFLOAT16, port).result())['weightsSha256'], expected)
      for (const worker of workers) worker.kill()
    })

  it('behind a relay, with another worker beside it', async () => {
    const port = await freePort()
    const flags = ['--join', `127.0.0.1:${port}`, '--listen', '127.0.0.1:0', '--name', 'box', '--patience', '300']
    const relay = new Launch(['relay', ...flags], environment)
    const inner = (await relay.untilStderr(/convoy worker --join \S+/)).split(' ').at(-1)!
    const workers = [work(inner), work(inner, '--no-shared-memory'), await waitingWorker(port, 'network')]
    await relay.untilStderr(/No coordinator answers/)
    const coordinator = coordinate(BFLOAT16, port)
    assert.equal((await coordinator.result())['weightsSha256'], expected)
    const joined = (await coordinator.metrics()).filter(({ kind }) => kind === 'worker-joined')
    assert.ok(joined.some(({ worker }) => (worker as Json)['name'] === 'box'))
    for (const launch of [relay, ...workers]) launch.kill()
  })

  it('when the coordinator is killed and the run is resumed, but not with another wire', async () => {
    const port = await freePort()
    const coordinator = coordinate(BFLOAT16, port)
    const worker = work(`127.0.0.1:${port}`, '--no-shared-memory')
    await coordinator.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= 3)
    const { runDirectory } = await coordinator.announcement()
    coordinator.kill()
    const resume = (...flags: readonly string[]): Launch =>
      new Launch(
        ['coordinator', '--resume', runDirectory, '--json', '--listen', `127.0.0.1:${port}`, ...LISTEN, ...flags],
        ...([environment, true, process.execPath, coordinator.runsDirectory] as const),
      )
    const other = resume('--wire', 'float32')
    assert.equal(await other.status(), 2)
    assert.match(other.stderr, /wire: "bfloat16" before, absent now/)
    assert.equal((await resume().result())['weightsSha256'], expected)
    worker.kill()
  })

  it('with half of the bytes of results on a network', async () => {
    const bytesPerStep: number[] = []
    for (const wire of [[], BFLOAT16]) {
      // One shard in a step: one result. It does not end before it is paused.
      const endless = ['--max-steps', '100000', '--epochs', '100000']
      const coordinator = coordinate([...wire, '--batch-size', '32', ...endless])
      const { address, metrics, runDirectory } = await coordinator.announcement()
      const worker = work(address, '--no-shared-memory')
      await coordinator.untilMetrics((line) => line['kind'] === 'step')
      assert.equal(await new Launch(['pause', runDirectory], environment).status(), 0)
      const steps = (await coordinator.metrics()).filter((line) => line['kind'] === 'step').length
      bytesPerStep.push((await received(metrics)) / steps)
      for (const launch of [coordinator, worker]) launch.kill()
    }
    const [float32, bfloat16] = bytesPerStep as [number, number]
    assert.ok(bfloat16 / float32 > 0.5 && bfloat16 / float32 < 0.51, `${bfloat16} of ${float32} bytes`)
  })
})
