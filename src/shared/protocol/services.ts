import path from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { packageRoot } from '../package-root.js'
import { withChecksums } from './checksum.js'
import type {
  Chunk,
  FromCoordinator,
  FromWorker,
  JoinReply,
  JoinRequest,
  Refusal,
  SamplesRequest,
  StatusReply,
  WeightsRequest,
} from './messages.js'

export const PROTO_FILE = path.join(packageRoot, 'proto', 'convoy.proto')

/** The service of operators and of their tools; the others are for workers. */
export const ADMIN_SERVICE = 'convoy.v1.Admin'

type Unary<Request, Reply> = (
  request: Request,
  metadata: grpc.Metadata,
  options: grpc.CallOptions,
  callback: (error: grpc.ServiceError | null, reply?: Reply) => void,
) => grpc.ClientUnaryCall
type Duplex<Request, Reply> = (metadata: grpc.Metadata) => grpc.ClientDuplexStream<Request, Reply>

export interface ControlClient extends grpc.Client {
  join: Unary<JoinRequest, JoinReply>
  work: Duplex<FromWorker, FromCoordinator>
}
export interface DataClient extends grpc.Client {
  weights: Duplex<WeightsRequest, Chunk>
  results: Duplex<Chunk, Refusal>
  samples: (request: SamplesRequest, metadata: grpc.Metadata) => grpc.ClientReadableStream<Chunk>
}
export interface AdminClient extends grpc.Client {
  status: Unary<Record<string, never>, StatusReply>
  stop: Unary<Record<string, never>, Record<string, never>>
}

type ClientConstructor<Client> = (new (
  address: string,
  credentials: grpc.ChannelCredentials,
  options?: grpc.ChannelOptions,
) => Client) & { service: grpc.ServiceDefinition }

interface ConvoyPackage {
  Control: ClientConstructor<ControlClient>
  Data: ClientConstructor<DataClient>
  Admin: ClientConstructor<AdminClient>
}

type Definition = Parameters<typeof grpc.loadPackageDefinition>[0]

const definition = loadSync(PROTO_FILE, { longs: Number, enums: String, defaults: true, oneofs: false })

function load(): ConvoyPackage {
  // Types have a format, services do not.
  const checked = Object.entries(definition).map(([name, value]) => [
    name,
    'format' in value
      ? value
      : withChecksums(value as grpc.ServiceDefinition, name === ADMIN_SERVICE ? 'optional' : 'required'),
  ])
  const root = grpc.loadPackageDefinition(Object.fromEntries(checked) as Definition) as unknown as {
    convoy: { v1: ConvoyPackage }
  }
  return root.convoy.v1
}

/** Clients and service definitions of proto/convoy.proto. */
export const { Control, Data, Admin } = load()

/** Metadata keys that prove who calls. */
export const WORKER_KEY = 'convoy-worker'
export const SESSION_KEY = 'convoy-session'

/** Bulk bytes in one message. Small enough that a heartbeat never waits long behind one. */
export const CHUNK_BYTES = 1 << 20

/**
 * Options of every channel and server. grpc-js ignores unknown names silently, so each begins with `grpc`.
 * A message is at most one chunk and its frame; both sides ping, because keepalive is off by default. An answer may be late: it
 * queues behind bulk, and a full window takes a link of 4 Mbit/s that long.
 * The window (of clients; servers have no such option) lets several chunks travel at once: 64 KiB is HTTP/2's default.
 */
export const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  'grpc.max_receive_message_length': 4 * CHUNK_BYTES,
  'grpc.max_send_message_length': 4 * CHUNK_BYTES,
  'grpc-node.flow_control_window': 8 * CHUNK_BYTES,
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.keepalive_permit_without_calls': 1,
  // Connections of its own for every client: shared ones remember how long the last coordinator did not answer, and wait for up
  // to two minutes before they try again.
  'grpc.use_local_subchannel_pool': 1,
  // grpc-js reads http_proxy and the like by itself; no proxy passes a cluster's traffic on.
  'grpc.enable_http_proxy': 0,
}

/** What a server takes from a peer is a chunk at most, and few calls at a time: a worker has four. */
export const SERVER_OPTIONS: grpc.ChannelOptions = {
  ...CHANNEL_OPTIONS,
  'grpc.max_receive_message_length': CHUNK_BYTES + 1_024,
  'grpc.max_concurrent_streams': 64,
  // Nothing reads these records of every connection and call.
  'grpc.enable_channelz': 0,
}

/**
 * Of a worker's control connection, where nothing big goes before an answer: a coordinator that nothing comes from any more is missed
 * within 3.5 s, and only the worker can notice that.
 */
export const CONTROL_OPTIONS: grpc.ChannelOptions = {
  ...CHANNEL_OPTIONS,
  'grpc.keepalive_time_ms': 1_500,
  'grpc.keepalive_timeout_ms': 2_000,
}
