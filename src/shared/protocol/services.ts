import path from 'node:path'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { packageRoot } from '../package-root.js'
import { withChecksums } from './checksum.js'
import type {
  CheckpointReply,
  Chunk,
  ContinueReply,
  DrainReply,
  DrainRequest,
  FromCoordinator,
  FromWorker,
  JoinReply,
  JoinRequest,
  PauseReply,
  Refusal,
  SamplesRequest,
  StatusReply,
  UnsealedChunk,
  WeightsRequest,
} from './messages.js'

export const PROTO_FILE = path.join(packageRoot, 'proto', 'convoy.proto')

/** The service for operators and their tools. The other services are for workers. */
export const ADMIN_SERVICE = 'convoy.v1.Admin'

type Empty = Record<string, never>
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
  results: Duplex<UnsealedChunk, Refusal>
  samples: (request: SamplesRequest, metadata: grpc.Metadata) => grpc.ClientReadableStream<Chunk>
}
export interface AdminClient extends grpc.Client {
  status: Unary<Empty, StatusReply>
  stop: Unary<Empty, Empty>
  pause: Unary<Empty, PauseReply>
  continue: Unary<Empty, ContinueReply>
  checkpoint: Unary<Empty, CheckpointReply>
  drain: Unary<DrainRequest, DrainReply>
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
  // In a definition, types have a `format` and services do not.
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

/** Metadata keys that authenticate a worker's calls. */
export const WORKER_KEY = 'convoy-worker'
export const SESSION_KEY = 'convoy-session'
/** Metadata key of the ConvoyError's code, on an error of Admin. */
export const CODE_KEY = 'convoy-code'

/** Bulk bytes in one message. Small enough that a heartbeat never has to wait long. */
export const CHUNK_BYTES = 1 << 20

/**
 * Options of every channel and server. grpc-js ignores unknown names silently, so each begins with `grpc`.
 * A message is at most one chunk and its frame; both sides ping, because keepalive is off by default. An answer may be late: it
 * queues behind bulk data, and a link of 4 Mbit/s needs that long for a full window.
 * The window (only clients have this option) allows several chunks in flight; HTTP/2's default is 64 KiB.
 */
export const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  'grpc.max_receive_message_length': 4 * CHUNK_BYTES,
  'grpc.max_send_message_length': 4 * CHUNK_BYTES,
  'grpc-node.flow_control_window': 8 * CHUNK_BYTES,
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 20_000,
  'grpc.keepalive_permit_without_calls': 1,
  // Every client has its own connections: shared ones remember the last failures and wait up to two minutes before a new attempt.
  'grpc.use_local_subchannel_pool': 1,
  // grpc-js reads http_proxy and the like by itself, but proxies do not forward a cluster's traffic.
  'grpc.enable_http_proxy': 0,
}

/** Limits of a server for a peer: one chunk per message, and few calls at a time (a worker has four). */
export const SERVER_OPTIONS: grpc.ChannelOptions = {
  ...CHANNEL_OPTIONS,
  'grpc.max_receive_message_length': CHUNK_BYTES + 1_024,
  'grpc.max_concurrent_streams': 64,
  // Channelz records every connection and call; nothing reads the records.
  'grpc.enable_channelz': 0,
}

/**
 * Options of a worker's control connection, which carries no bulk data before an answer. The worker detects a silent coordinator within
 * 3.5 s; nothing else could.
 */
export const CONTROL_OPTIONS: grpc.ChannelOptions = {
  ...CHANNEL_OPTIONS,
  'grpc.keepalive_time_ms': 1_500,
  'grpc.keepalive_timeout_ms': 2_000,
}
