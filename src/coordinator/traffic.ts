import type * as grpc from '@grpc/grpc-js'

export type TrafficKind = 'weights' | 'results' | 'samples' | 'control'
export type TrafficDirection = 'sent' | 'received'
export type TrafficPath = 'network' | 'memory'

export interface TrafficCount {
  readonly labels: { readonly kind: TrafficKind; readonly direction: TrafficDirection; readonly path: TrafficPath }
  /** Bytes since the beginning; of messages, without HTTP/2's frames. */
  readonly value: number
}

type Method = grpc.MethodDefinition<unknown, unknown>

const KINDS: Readonly<Record<string, TrafficKind>> = { Weights: 'weights', Results: 'results', Samples: 'samples' }

/** Bytes between the coordinator and its workers, as the coordinator sees them. */
export class Traffic {
  readonly #bytes = new Map<string, TrafficCount>()

  add(kind: TrafficKind, direction: TrafficDirection, path: TrafficPath, bytes: number): void {
    const key = `${kind} ${direction} ${path}`
    const value = (this.#bytes.get(key)?.value ?? 0) + bytes
    this.#bytes.set(key, { labels: { kind, direction, path }, value })
  }

  counts(): TrafficCount[] {
    return [...this.#bytes.values()]
  }

  /** The same service of a server, every message counted as it is written or read. */
  counted(service: grpc.ServiceDefinition): grpc.ServiceDefinition {
    return Object.fromEntries(
      Object.entries(service).map(([name, definition]) => {
        const { requestDeserialize, responseSerialize, ...rest } = definition as Method
        const kind = KINDS[name] ?? 'control'
        const method: Method = {
          ...rest,
          requestDeserialize: (bytes) => {
            this.add(kind, 'received', 'network', bytes.length)
            return requestDeserialize(bytes)
          },
          responseSerialize: (message) => {
            const bytes = responseSerialize(message)
            this.add(kind, 'sent', 'network', bytes.length)
            return bytes
          },
        }
        return [name, method]
      }),
    )
  }
}
