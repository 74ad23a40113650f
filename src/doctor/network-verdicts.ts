import * as grpc from '@grpc/grpc-js'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { shortageIn } from '../shared/own-shortage.js'
import { parseAddress } from '../shared/protocol/addresses.js'
import { CHANNEL_OPTIONS } from '../shared/protocol/services.js'
import type { Verdict } from './verdict.js'
import { healthy, wrong } from './verdict.js'

const ECHO_BYTES = 1 << 20
const ECHO_TIMEOUT_MS = 5000

/** A flag that takes an address, and its default. */
export interface DefaultAddress {
  readonly flag: string
  readonly address: string
}

/** Checks that the default ports of a coordinator are free and that gRPC works. */
export async function examineNetwork(defaults: readonly DefaultAddress[]): Promise<Verdict[]> {
  return [...(await Promise.all(defaults.map(examinePort))), await echo(), ...examineProxies()]
}

const PROXY_VARIABLES = ['grpc_proxy', 'http_proxy', 'https_proxy', 'all_proxy']

/** Names the variables, not their values, which may contain a password. */
function examineProxies(): Verdict[] {
  const isSet = Object.entries(process.env).flatMap(([name, value]) =>
    value !== '' && PROXY_VARIABLES.includes(name.toLowerCase()) ? [name] : [],
  )
  if (isSet.length === 0) return []
  return [
    healthy(
      'proxy',
      `${isSet.sort().join(', ')}; used by npm and pip. Coordinator and workers connect without a proxy`,
    ),
  ]
}

async function examinePort({ flag, address }: DefaultAddress): Promise<Verdict> {
  const check = `port of ${flag}`
  const { host, port } = parseAddress(address, flag)
  const server = createServer()
  try {
    await once(server.listen(port, host), 'listening')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const lacking = shortageIn(message)
    if (lacking) return wrong(check, message, lacking.remedy)
    const reason = code === 'EADDRINUSE' ? 'in use' : message
    return wrong(
      check,
      `${address} ${reason}`,
      `choose another port with ${flag}, or find the program that uses it: ss -ltnp`,
    )
  }
  server.close()
  return healthy(check, `${address} is free`)
}

const ECHO: grpc.MethodDefinition<Buffer, Buffer> = {
  path: '/convoy.Doctor/Echo',
  requestStream: false,
  responseStream: false,
  requestSerialize: (bytes) => bytes,
  requestDeserialize: (bytes) => bytes,
  responseSerialize: (bytes) => bytes,
  responseDeserialize: (bytes) => bytes,
}

/** Sends 1 MiB to a gRPC server of this process and back. */
async function echo(): Promise<Verdict> {
  const check = 'gRPC over loopback'
  const server = new grpc.Server()
  const handler: grpc.handleUnaryCall<Buffer, Buffer> = (call, callback) => {
    callback(null, call.request)
  }
  server.addService({ echo: ECHO }, { echo: handler })
  let client: grpc.Client | undefined
  try {
    const credentials = grpc.ServerCredentials.createInsecure()
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) => {
        if (error) reject(error)
        else resolve(bound)
      })
    })
    client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), CHANNEL_OPTIONS)
    const started = performance.now()
    const reply = await send(client, Buffer.alloc(ECHO_BYTES, 7))
    if (reply.length !== ECHO_BYTES) throw new Error(`${reply.length} bytes came back`)
    return healthy(check, `1 MiB there and back in ${(performance.now() - started).toFixed(0)} ms`)
  } catch (error) {
    const { message } = error as Error
    return wrong(
      check,
      message,
      shortageIn(message)?.remedy ?? 'allow connections between processes over 127.0.0.1 (firewall, sandbox)',
    )
  } finally {
    client?.close()
    server.forceShutdown()
  }
}

async function send(client: grpc.Client, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + ECHO_TIMEOUT_MS }
    client.makeUnaryRequest(
      ECHO.path,
      ECHO.requestSerialize,
      ECHO.responseDeserialize,
      bytes,
      options,
      (error, reply) => {
        if (error) reject(error)
        else resolve(reply!)
      },
    )
  })
}
