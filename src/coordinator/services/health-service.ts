import type * as grpc from '@grpc/grpc-js'
import type { PackageDefinition } from '@grpc/proto-loader'
import { ReflectionService } from '@grpc/reflection'
import { HealthImplementation, protoPath } from 'grpc-health-check'
import { ADMIN_SERVICE, PROTO_FILE } from '../../shared/protocol/services.js'
import { toStatus } from './caller.js'
import { describeProtoFile } from './describe-proto-file.js'

/**
 * What the health service answers for.
 * - '' and the services of workers: SERVING while workers are accepted. A run without a worker is healthy: if it were not, what routes
 *   workers by health would never let one in.
 * - convoy.v1.Admin: SERVING as long as it answers
 * - convoy.run: SERVING while workers compute
 */
const ACCEPTING = ['', 'convoy.v1.Control', 'convoy.v1.Data']
const RUN = 'convoy.run'

/** The health of a run. */
export interface Health {
  readonly accepts: boolean
  readonly computes: boolean
}

/**
 * grpc.health.v1.Health and reflection (v1, v1alpha) on the admin server.
 * @returns call it whenever something may have changed
 */
export function addHealthAndReflection(server: grpc.Server, health: () => Health): () => void {
  const implementation = new HealthImplementation()
  const sent = new Map<string, boolean>()
  const set = (service: string, isServing: boolean): void => {
    // Every call is sent to watchers, changed or not.
    if (sent.get(service) === isServing) return
    sent.set(service, isServing)
    implementation.setStatus(service, isServing ? 'SERVING' : 'NOT_SERVING')
  }
  const update = (): void => {
    const { accepts, computes } = health()
    for (const service of ACCEPTING) set(service, accepts)
    set(RUN, accepts && computes)
  }
  set(ADMIN_SERVICE, true)
  update()
  const guarded = guardedServer(server)
  implementation.addToServer(guarded)
  const files = [
    describeProtoFile(PROTO_FILE, 'convoy.proto'),
    describeProtoFile(protoPath, 'grpc/health/v1/health.proto'),
  ]
  // The package reads only this field.
  const definition = { files: { fileDescriptorProtos: files } } as unknown as PackageDefinition
  new ReflectionService(definition, { services: REFLECTED }).addToServer(guarded)
  return update
}

/** Services of the admin listener; Control and Data are on the other one. */
const REFLECTED = [ADMIN_SERVICE, 'grpc.health.v1.Health']

type Handler = (call: unknown, reply: grpc.sendUnaryData<unknown> | undefined) => void

/** Adds services of other packages: a handler that throws answers with a status instead of ending the process. */
function guardedServer(server: grpc.Server): grpc.Server {
  const addService: grpc.Server['addService'] = (service, handlers) => {
    const guarded = Object.entries(handlers).map(([name, handler]) => {
      const guard: Handler = (call, reply) => {
        try {
          ;(handler as unknown as Handler)(call, reply)
        } catch (error) {
          if (reply) reply(toStatus(error))
          else (call as NodeJS.EventEmitter).emit('error', toStatus(error))
        }
      }
      return [name, guard]
    })
    server.addService(service, Object.fromEntries(guarded) as grpc.UntypedServiceImplementation)
  }
  return { addService } as grpc.Server
}
