import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import * as grpc from '@grpc/grpc-js'
import type { ConvoyError } from '../../src/shared/errors.js'
import { Control, CONTROL_OPTIONS } from '../../src/shared/protocol/services.js'
import { joinRun } from '../../src/worker/join-run.js'
import { freePort } from '../support/free-port.js'
import { ImageScratch } from '../support/image-folder.js'
import type { Json } from '../support/launch.js'
import { killLaunches, Launch } from '../support/launch.js'
import { tinyDataset } from '../support/tiny-dataset.js'

const tiny = tinyDataset()
const { environment } = tiny
const LISTEN = ['--metrics-listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0']
const RUN = ['--recipe', 'quick', '--data', tiny.directory, '--epochs', '1000', '--json', '--seed', '7']
const SHORT_STEPS = 6
/** Some epochs, with an evaluation after each: enough for a worker that joins late. */
const LONG_STEPS = 60
const PATIENT = ['--patience', '60']

function coordinate(steps: number, port = 0): Launch {
  const listen = ['--listen', `127.0.0.1:${port}`, ...LISTEN]
  return new Launch(['coordinator', ...RUN, '--max-steps', String(steps), ...listen], environment, true)
}

async function standalone(steps: number): Promise<Json> {
  return new Launch(['train', ...RUN, '--max-steps', String(steps), '--standalone'], environment).result()
}

function work(address: string, name: string, more: NodeJS.ProcessEnv = environment): Launch {
  return new Launch(['worker', '--join', address, '--name', name, ...PATIENT], more)
}

async function relay(join: string, name: string, more: NodeJS.ProcessEnv = environment) {
  const flags = ['--listen', '127.0.0.1:0', '--name', name, ...PATIENT]
  const launch = new Launch(['relay', '--join', join, ...flags], more)
  const line = await launch.untilStderr(/convoy worker --join \S+/)
  return { launch, address: line.split(' ').at(-1)! }
}

async function untilStep(coordinator: Launch, step: number): Promise<void> {
  await coordinator.untilMetrics((line) => line['kind'] === 'step' && Number(line['step']) >= step)
}

/** Names of the workers that joined the coordinator. */
async function joined(coordinator: Launch): Promise<string[]> {
  const lines = await coordinator.metrics()
  return lines.filter(({ kind }) => kind === 'worker-joined').map(({ worker }) => String((worker as Json)['name']))
}

async function allEnd(...launches: readonly Launch[]): Promise<void> {
  assert.deepEqual(
    await Promise.all(launches.map(async (launch) => launch.status())),
    launches.map(() => 0),
  )
}

describe('relays', () => {
  let short: string | undefined
  let long: string | undefined
  const scratches: ImageScratch[] = []
  const ownCache = (): NodeJS.ProcessEnv => {
    const scratch = new ImageScratch()
    scratches.push(scratch)
    return scratch.cache()
  }
  before(async () => {
    const alone = await Promise.all([SHORT_STEPS, LONG_STEPS].map(standalone))
    ;[short, long] = alone.map(({ weightsSha256 }) => String(weightsSha256))
  })
  after(() => {
    killLaunches()
    tiny.remove()
    for (const scratch of scratches) scratch.remove()
  })

  it('pass on data set, weights, leases and evaluations, and load no TensorFlow', async () => {
    const coordinator = coordinate(SHORT_STEPS)
    const { address } = await coordinator.announcement()
    const inner = await relay(address, 'box', ownCache())
    const workers = [work(inner.address, 'a', ownCache()), work(inner.address, 'b')]
    await untilStep(coordinator, 1)
    assert.doesNotMatch(readFileSync(`/proc/${inner.launch.child.pid}/maps`, 'utf8'), /tensorflow/)
    const result = await coordinator.result()
    assert.equal(result['weightsSha256'], short)
    assert.deepEqual(await joined(coordinator), ['box'])
    await allEnd(inner.launch, ...workers)
    const alone = await standalone(SHORT_STEPS)
    for (const split of ['validation', 'test']) {
      const [relayed, expected] = [result[split], alone[split]] as [Json, Json]
      assert.equal(relayed['loss'], expected['loss'])
      assert.deepEqual(relayed['confusion'], expected['confusion'])
    }
  })

  it('form a tree, and wait for a coordinator that starts after them', async () => {
    const port = await freePort()
    const outer = await relay(`127.0.0.1:${port}`, 'outer')
    const inner = await relay(outer.address, 'inner')
    const workers = [work(inner.address, 'a'), work(`127.0.0.1:${port}`, 'b')]
    await outer.launch.untilStderr(/No coordinator answers/)
    const coordinator = coordinate(LONG_STEPS, port)
    assert.equal((await coordinator.result())['weightsSha256'], long)
    assert.deepEqual((await joined(coordinator)).sort(), ['b', 'outer'])
    await allEnd(outer.launch, inner.launch, ...workers)
  })

  it('compute on when one of their workers is killed', async () => {
    const coordinator = coordinate(LONG_STEPS)
    const { address } = await coordinator.announcement()
    const inner = await relay(address, 'box')
    const [victim, other] = [work(inner.address, 'a'), work(inner.address, 'b')]
    await Promise.all(['a', 'b'].map(async (name) => inner.launch.untilStderr(new RegExp(`\\(${name}, .* joined`))))
    await untilStep(coordinator, 3)
    victim.kill()
    await inner.launch.untilStderr(/\(a\) left/)
    assert.equal((await coordinator.result())['weightsSha256'], long)
    assert.deepEqual(await joined(coordinator), ['box'])
    await allEnd(inner.launch, other)
  })

  it('that are killed are replaced by other workers', async () => {
    const coordinator = coordinate(LONG_STEPS)
    const { address } = await coordinator.announcement()
    const inner = await relay(address, 'box')
    const [orphan, other] = [work(inner.address, 'a'), work(address, 'b')]
    await coordinator.untilMetrics(({ kind, workers }) => kind === 'worker-joined' && workers === 2)
    await untilStep(coordinator, 3)
    inner.launch.kill()
    await coordinator.untilMetrics(({ kind }) => kind === 'worker-left')
    assert.equal((await coordinator.result())['weightsSha256'], long)
    await allEnd(other)
    orphan.kill()
  })

  it('leave a run with their last worker, and join it again with the next', async () => {
    const coordinator = coordinate(LONG_STEPS)
    const { address } = await coordinator.announcement()
    const inner = await relay(address, 'box')
    const first = work(inner.address, 'a')
    await untilStep(coordinator, 3)
    first.kill()
    await coordinator.untilMetrics(({ kind, workers }) => kind === 'worker-left' && workers === 0)
    const second = work(inner.address, 'b')
    assert.equal((await coordinator.result())['weightsSha256'], long)
    assert.deepEqual(await joined(coordinator), ['box', 'box'])
    await allEnd(inner.launch, second)
  })

  it('keep their workers when the coordinator is killed and the run goes on', async () => {
    const port = await freePort()
    const coordinator = coordinate(LONG_STEPS, port)
    const inner = await relay(`127.0.0.1:${port}`, 'box')
    const worker = work(inner.address, 'a')
    await untilStep(coordinator, 3)
    const { runDirectory } = await coordinator.announcement()
    coordinator.kill()
    const listen = ['--listen', `127.0.0.1:${port}`, ...LISTEN]
    const flags = ['coordinator', '--resume', runDirectory, '--json', ...listen]
    const again = new Launch(flags, environment, false, process.execPath, coordinator.runsDirectory)
    assert.equal((await again.result())['weightsSha256'], long)
    await allEnd(inner.launch, worker)
    assert.equal(inner.launch.stderr.match(/\(a, .* joined/g)?.length, 1)
  })

  it('wait for a worker as long as it takes, and then for a coordinator as long as they are patient', async () => {
    const upstream = `127.0.0.1:${await freePort()}`
    const impatient = ['--listen', '127.0.0.1:0', '--patience', '1']
    const launch = new Launch(['relay', '--join', upstream, ...impatient], environment)
    const line = await launch.untilStderr(/convoy worker --join \S+/)
    await delay(2_000)
    const address = line.split(' ').at(-1)!
    const client = new Control(address, grpc.credentials.createInsecure(), CONTROL_OPTIONS)
    const device = { kind: 'cpu', name: 'none', tensorflowVersion: '2', fingerprint: 'f' }
    const isNotThere = ({ code, message }: ConvoyError): boolean => code === 'unavailable' && message.includes(address)
    await assert.rejects(joinRun(client, address, { name: 'a', incarnation: 'a', device }), isNotThere)
    client.close()
    assert.equal(await launch.status(), 1)
    assert.match(launch.stderr, /No coordinator answers at \S+\. Trying again for 1 s\./)
  })

  it('leave when they are asked to, after their lease', async () => {
    const coordinator = coordinate(LONG_STEPS)
    const { address } = await coordinator.announcement()
    const inner = await relay(address, 'box')
    const [first, other] = [work(inner.address, 'a'), work(address, 'b')]
    await coordinator.untilMetrics(({ kind, workers }) => kind === 'worker-joined' && workers === 2)
    inner.launch.terminate()
    await allEnd(inner.launch, first)
    assert.equal((await coordinator.result())['weightsSha256'], long)
    const left = (await coordinator.metrics()).find(({ kind }) => kind === 'worker-left')
    assert.equal(left?.['reason'], 'on request')
    await allEnd(other)
  })
})
