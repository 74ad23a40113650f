/**
 * The messages of proto/convoy.proto as TypeScript sees them: camelCase, 64-bit integers as numbers (all below 2^53),
 * enums by name, and for a oneof exactly the member that is set. A test compares these with the proto file.
 */

import type { SharedFilesOffer } from '../shared-files.js'

export const PROTOCOL_VERSION = 4

export interface DeviceMessage {
  kind: string
  name: string
  tensorflowVersion: string
  fingerprint: string
}

export interface JoinRequest {
  protocol: number
  name: string
  device: DeviceMessage
  incarnation: string
  host: string
}

export interface JoinReply {
  worker: number
  session: string
  run: string
  heartbeatMs: number
  sharedFiles?: SharedFilesOffer | null
  logLevel: string
  runName: string
}

export interface PhaseTimesMessage {
  phase: string
  counts: readonly number[]
  seconds: number
}

export interface GpuMessage {
  utilization?: number
  memoryUsedBytes?: number
  memoryBytes?: number
  temperatureCelsius?: number
  powerWatts?: number
}

export interface Heartbeat {
  shardsDone: number
  residentBytes: number
  tensors: number
  tensorBytes: number
  eventLoopDelaySeconds: number
  phases: readonly PhaseTimesMessage[]
  gpu?: GpuMessage | null | undefined
  workers?: number
}

export interface LogLineMessage {
  level: string
  module: string
  message: string
  secondsAgo: number
}

export interface LogLines {
  lines: LogLineMessage[]
  leftOut: number
}

/** Limits of one {@link LogLines}. */
export const MAX_LOG_LINES = 16
export const MAX_LOG_LINE_LENGTH = 1_000

export interface FromWorker {
  ready?: Record<string, never>
  heartbeat?: Heartbeat
  failed?: { lease: number; reason: string }
  leaving?: Record<string, never>
  logs?: LogLines
}

export type Work = 'WORK_GRADIENT' | 'WORK_EVALUATE'

export interface LeaseMessage {
  lease: number
  work: Work
  step: number
  split: string
  firstShard: number
  shardCount: number
  weightsVersion: number
}

export interface FromCoordinator {
  lease?: LeaseMessage
  revoke?: { lease: number }
  finish?: { reason: string }
}

export interface WeightsRequest {
  haveVersion: number
  shared: boolean
}

/** Which bytes a chunk has; see Chunk in proto/convoy.proto. */
export interface ChunkHead {
  id: number
  offset: number
  total: number
  shared: boolean
}

/** A chunk to send; its checksum is taken when it is encoded. */
export interface UnsealedChunk extends ChunkHead {
  data: Buffer
}

/** A chunk as it came. */
export interface Chunk extends ChunkHead {
  crc32: number
  /** Of the data. */
  length: number
  /** The data, in the pieces in which they came. */
  pieces: readonly Buffer[]
}

export interface Refusal {
  lease: number
  /** A RejectionCode. */
  code: string
  reason: string
}

export interface SamplesRequest {
  fingerprint: string
}

export interface WorkerStatus {
  worker: number
  name: string
  state: string
  device: string
  shardsDone: number
  residentBytes: number
  tensors: number
  lastHeardSeconds: number
  timesSlower: number
}

export interface CheckpointStatus {
  step: number
  ageSeconds: number
}

export interface StatusReply {
  state: string
  step: number
  totalSteps: number
  epoch: number
  loss: number
  samplesPerSecond: number
  workers: WorkerStatus[]
  runDirectory: string
  /** Absent without classes. */
  accuracy?: number
  secondsLeft: number
  checkpoint?: CheckpointStatus | null
  journal: string
}

export interface PauseReply {
  step: number
  wasPaused: boolean
  checkpoint: string
  checkpointFailure: string
}

export interface ContinueReply {
  wasPaused: boolean
}

export interface CheckpointReply {
  step: number
  directory: string
}

export interface DrainRequest {
  worker: string
}

export interface DrainReply {
  worker: number
  name: string
  workers: number
}
