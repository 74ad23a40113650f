import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { service as healthService } from 'grpc-health-check'
import { callAdmin } from '../../src/coordinator/admin-client.js'
import { packageRoot } from '../../src/shared/package-root.js'
import { tinyDataset } from '../support/tiny-dataset.js'
import { until } from '../support/until.js'
import { freePort } from '../support/free-port.js'
import { killLaunches, Launch } from '../support/launch.js'

const tiny = tinyDataset()
const clients: grpc.Client[] = []
after(() => {
  for (const client of clients) client.close()
  killLaunches()
  tiny.remove()
})

const LOCAL = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0']
const RUN = ['coordinator', '--recipe', 'quick', '--data', tiny.directory, '--epochs', '100000', ...LOCAL]

/** Status and first line of a probe. */
async function probe(metrics: string, path: string): Promise<[number, string]> {
  const response = await fetch(new URL(path, metrics))
  return [response.status, await response.text()]
}

const Health = grpc.makeGenericClientConstructor(healthService as grpc.ServiceDefinition, 'Health')

interface HealthClient {
  check(request: { service: string }, callback: (error: grpc.ServiceError | null, reply: HealthReply) => void): void
  watch(request: { service: string }): grpc.ClientReadableStream<HealthReply>
}
interface HealthReply {
  readonly status: string
}

function healthOf(address: string): {
  check: (service: string) => Promise<string>
  watch: (service: string) => grpc.ClientReadableStream<HealthReply>
} {
  const client = new Health(address, grpc.credentials.createInsecure())
  clients.push(client)
  const health = client as unknown as HealthClient
  return {
    check: async (service) =>
      new Promise((resolve, reject) => {
        health.check({ service }, (error, reply) => {
          if (error) reject(error)
          else resolve(reply.status)
        })
      }),
    watch: (service) => health.watch({ service }),
  }
}

describe('a coordinator', () => {
  it('is ready without a worker while its run is not serving, and not ready once asked to stop', async () => {
    const coordinator = new Launch(RUN, tiny.environment)
    const { address, adminAddress, metrics } = await coordinator.announcement()
    assert.deepEqual(await probe(metrics, '/livez'), [200, 'ok\n'])
    assert.deepEqual(await probe(metrics, '/readyz'), [200, 'ok\n'])
    const { check, watch } = healthOf(adminAddress)
    for (const service of ['', 'convoy.v1.Control', 'convoy.v1.Data', 'convoy.v1.Admin'])
      assert.equal(await check(service), 'SERVING', service)
    assert.equal(await check('convoy.run'), 'NOT_SERVING')
    await assert.rejects(check('nonsense'), { code: grpc.status.NOT_FOUND })

    const watched: string[] = []
    const stream = watch('convoy.run')
    stream.on('data', ({ status }: { status: string }) => watched.push(status))
    stream.on('error', () => undefined)
    const worker = new Launch(['worker', '--join', address], tiny.environment)
    await until('a run that serves', () => watched.at(-1) === 'SERVING')
    worker.kill()
    await until('a run that does not', () => watched.at(-1) === 'NOT_SERVING')
    assert.deepEqual(watched, ['NOT_SERVING', 'SERVING', 'NOT_SERVING'])
    assert.equal(await check(''), 'SERVING')

    // It stays, because the current step waits for a worker.
    await callAdmin('stop', { admin: adminAddress, runsDir: '' })
    assert.deepEqual(await probe(metrics, '/readyz'), [503, 'the run is ending: it was asked to stop\n'])
    assert.deepEqual(await probe(metrics, '/livez'), [200, 'ok\n'])
    await until('no more workers', async () => (await check('')) === 'NOT_SERVING')
    assert.equal(await check('convoy.v1.Control'), 'NOT_SERVING')
    assert.equal(await check('convoy.v1.Admin'), 'SERVING')
    coordinator.kill()
  })

  it('lists the services of the admin listener by reflection, as in the proto file', async () => {
    const coordinator = new Launch(RUN, tiny.environment)
    const { adminAddress } = await coordinator.announcement()
    for (const version of ['v1', 'v1alpha']) {
      const ask = reflection(adminAddress, version)
      const { listServicesResponse } = await ask({ listServices: '' })
      const names = listServicesResponse!.service.map(({ name }) => name)
      assert.deepEqual(names.sort(), ['convoy.v1.Admin', 'grpc.health.v1.Health'])
      const { fileDescriptorResponse } = await ask({ fileContainingSymbol: 'convoy.v1.Admin' })
      const [file] = fileDescriptorResponse!.fileDescriptorProto
      assert.ok(file!.includes('StatusReply') && file!.includes('LogLine'))
      const { errorResponse } = await ask({ fileContainingSymbol: 'convoy.v1.Nonsense' })
      assert.equal(errorResponse?.errorCode, grpc.status.NOT_FOUND)
    }
    coordinator.kill()
  })
})

describe('a worker that serves its metrics', () => {
  it('is alive at once, and ready from its join until its coordinator ends', async () => {
    const port = await freePort()
    const worker = new Launch(
      ['worker', '--join', `127.0.0.1:${port}`, '--metrics-listen', '127.0.0.1:0'],
      tiny.environment,
    )
    const printed = await worker.untilStderr(/Metrics at (\S+)/)
    const own = printed.slice('Metrics at '.length)
    assert.deepEqual(await probe(own, '/livez'), [200, 'ok\n'])
    const away: [number, string] = [503, `it has not joined the coordinator at 127.0.0.1:${port}\n`]
    assert.deepEqual(await probe(own, '/readyz'), away)

    const coordinator = new Launch([...RUN, '--listen', `127.0.0.1:${port}`], tiny.environment)
    await coordinator.untilMetrics(({ kind }) => kind === 'step')
    assert.deepEqual(await probe(own, '/readyz'), [200, 'ok\n'])
    coordinator.kill()
    await until('a worker that is not ready', async () => (await probe(own, '/readyz'))[0] === 503)
    assert.deepEqual(await probe(own, '/readyz'), away)
    worker.kill()
  })
})

interface ReflectionReply {
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] }
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Buffer[] }
  readonly errorResponse?: { readonly errorCode: number }
}

/** A reflection client like grpcurl, from the proto files of @grpc/reflection. */
function reflection(address: string, version: string): (request: object) => Promise<ReflectionReply> {
  const file = `${packageRoot}/node_modules/@grpc/reflection/build/proto/grpc/reflection/${version}/reflection.proto`
  const definition = loadSync(file, { oneofs: true })[`grpc.reflection.${version}.ServerReflection`]
  const Reflection = grpc.makeGenericClientConstructor(definition as grpc.ServiceDefinition, 'ServerReflection')
  const client = new Reflection(address, grpc.credentials.createInsecure())
  clients.push(client)
  const reflector = client as unknown as {
    ServerReflectionInfo(): grpc.ClientDuplexStream<object, ReflectionReply>
  }
  return async (request) =>
    new Promise((resolve, reject) => {
      const stream = reflector.ServerReflectionInfo()
      stream.on('error', reject)
      stream.on('data', (reply: ReflectionReply) => {
        resolve(reply)
        stream.end()
      })
      stream.write(request)
    })
}
