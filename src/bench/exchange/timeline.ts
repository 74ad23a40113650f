import { median } from '../engine-benchmark.js'
import type { WorkerStep } from './worker-steps.js'

/** Sections of a step, in the order of their ends; together they are the whole `step`. With several shards, computing and summing alternate. */
export const SECTIONS = ['lease', 'weights', 'compute', 'sum', 'result', 'read', 'reduce', 'apply', 'publish'] as const
export type Section = (typeof SECTIONS)[number]

/** Milliseconds; `step` is the whole. */
export type Timeline = Readonly<Record<Section | 'step', number>>

/** A step as the coordinator sees it, on the clock of monotonicMs. */
export interface CoordinatorStep {
  /** From 0. */
  readonly step: number
  /** The step before it ended, or a turn began. */
  readonly beganMs: number
  /** The first message of the worker's result was there. */
  readonly thereMs: number
  /** Its vector was read. */
  readonly readMs: number
  /** All results were checked and added. */
  readonly reducedMs: number
  readonly appliedMs: number
  /** The new weights were published. */
  readonly publishedMs: number
}

/**
 * What lies between two steps.
 * @param worker the one whose result came last: the others are not waited for
 */
export function sectionsOf(coordinator: CoordinatorStep, worker: WorkerStep): Timeline {
  return {
    lease: worker.leasedMs - coordinator.beganMs,
    weights: worker.startedMs - worker.leasedMs,
    compute: worker.computeMs,
    sum: worker.deliveredMs - worker.startedMs - worker.computeMs,
    result: coordinator.thereMs - worker.deliveredMs,
    read: coordinator.readMs - coordinator.thereMs,
    reduce: coordinator.reducedMs - coordinator.readMs,
    apply: coordinator.appliedMs - coordinator.reducedMs,
    publish: coordinator.publishedMs - coordinator.appliedMs,
    step: coordinator.publishedMs - coordinator.beganMs,
  }
}

/** Medians over steps, each by itself: they do not add up exactly. undefined without steps. */
export function medianTimeline(steps: readonly Timeline[]): Timeline | undefined {
  if (steps.length === 0) return undefined
  return Object.fromEntries(
    [...SECTIONS, 'step' as const].map((section) => [section, median(steps.map((step) => step[section]))]),
  ) as unknown as Timeline
}
