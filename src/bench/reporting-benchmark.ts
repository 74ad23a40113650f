import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { runNameOf } from '../reporting/run-identity.js'
import { RunReports } from '../reporting/run-reports.js'
import { ConvoyError } from '../shared/errors.js'
import { counted } from '../shared/units.js'
import { version } from '../shared/version.js'
import type { Task } from './contestant.js'
import type { Reports } from './convoy-contestant.js'
import { startConvoy } from './convoy-contestant.js'
import { median, medianRatio } from './engine-benchmark.js'
import { takeTurns } from './take-turns.js'

const TASK: Task = { network: 'resnet20', precision: 'float32', augmentation: true }
const SCRAPE_MS = 1_000

/** A Prometheus and a browser, in a process of their own. @see startViewer */
const VIEWER = `
const [url] = process.argv.slice(1)
const { body } = await fetch(new URL('/events', url))
const scrape = async () => (await fetch(url)).text()
await scrape()
process.stdout.write('watching')
setInterval(scrape, ${SCRAPE_MS})
for await (const _ of body);
`

export interface ReportingResult {
  readonly workers: number
  /** Images per second, round by round. */
  readonly off: readonly number[]
  readonly on: readonly number[]
  /** Median of the ratios: on, relative to off. */
  readonly ratio: number
  /** Processor time of the coordinator's process for a step, in milliseconds: the median of the rounds. */
  readonly offCpuMs: number
  readonly onCpuMs: number
  /** Time of the histograms of all weights and gradients at the end of an epoch. */
  readonly epochHookMs: number
}

/**
 * Compares a run with all reports (`metrics.jsonl`, TensorBoard, Prometheus with a scrape a second, the page with one viewer) with a run
 * without reports. Both have heartbeats: workers would be lost without them.
 */
export async function benchmarkReporting(
  workers: number,
  rounds: number,
  steps: number,
  log: (text: string) => void,
): Promise<ReportingResult> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-reporting-'))
  const reports = await openReports(directory)
  const closing: (() => Promise<void>)[] = [async () => reports.close()]
  try {
    const off = await startConvoy(TASK, workers, 'cpu', undefined)
    closing.unshift(async () => off.close())
    const on = await startConvoy(TASK, workers, 'cpu', undefined, reports)
    closing.unshift(async () => on.close())
    const cpu = { off: [] as number[], on: [] as number[] }
    const silent = { steps: async (count: number) => measured(cpu.off, count, async () => off.steps(count)) }
    const viewed = {
      steps: async (count: number) => {
        const stopViewing = await startViewer(reports.url)
        try {
          return await measured(cpu.on, count, async () => on.steps(count))
        } finally {
          await stopViewing()
        }
      },
    }
    const [offRates, onRates] = (await takeTurns([silent, viewed], rounds, steps, log)) as [number[], number[]]
    const ratio = medianRatio(onRates, offRates)
    // The first turn warmed up.
    const [offCpuMs, onCpuMs] = [cpu.off, cpu.on].map((ofTurns) => median(ofTurns.slice(1))) as [number, number]
    return { workers, off: offRates, on: onRates, ratio, offCpuMs, onCpuMs, epochHookMs: reports.epochHookMs() }
  } finally {
    for (const close of closing) await close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Runs a turn and records its processor time. Both coordinators are in this process, but only one of them works at a time. */
async function measured<Steps>(cpuMs: number[], count: number, take: () => Promise<Steps>): Promise<Steps> {
  const before = process.cpuUsage()
  const steps = await take()
  const { user, system } = process.cpuUsage(before)
  cpuMs.push((user + system) / 1000 / count)
  return steps
}

/** Markdown. */
export function reportingReport(result: ReportingResult): string {
  const { workers, off, on, ratio, offCpuMs, onCpuMs, epochHookMs } = result
  const row = (name: string, rates: readonly number[]): string =>
    `| ${name} | ${median(rates).toFixed(0)} | ${Math.min(...rates).toFixed(0)} to ${Math.max(...rates).toFixed(0)} |`
  return [
    `| ${TASK.network}, ${counted(workers, 'worker')} | images/s, median of the rounds | range |`,
    '| --- | ---: | ---: |',
    row('no reports', off),
    row('all reports', on),
    '',
    `With all reports, round by round: ${(100 * ratio).toFixed(1)} % of the rate without. ` +
      `The coordinator uses ${onCpuMs.toFixed(2)} ms of processor time a step instead of ${offCpuMs.toFixed(2)} ms; ` +
      `histograms at the end of an epoch take ${epochHookMs.toFixed(1)} ms more.`,
    '',
  ].join('\n')
}

/** The reports of `convoy train`, except the terminal. */
async function openReports(
  directory: string,
): Promise<Reports & { readonly url: string; epochHookMs(): number; close(): Promise<void> }> {
  const reports = new RunReports({
    runDirectory: directory,
    identity: { run: runNameOf(directory), name: 'bench', recipe: TASK.network, version: version() },
    signal: new AbortController().signal,
    now: () => performance.now(),
    onLost: (report, { message }) => {
      throw new ConvoyError('environment', `${report} cannot be written: ${message}`)
    },
    onLastScrape: () => undefined,
  })
  const url = await reports.serve('127.0.0.1:0', () => undefined)
  let epochHookMs = 0
  return {
    url,
    epochHookMs: () => epochHookMs,
    observer: reports.observe,
    hooks: {
      onEpoch: (snapshot) => {
        const startedMs = performance.now()
        reports.onEpoch(snapshot)
        epochHookMs = performance.now() - startedMs
      },
    },
    onCall: reports.metrics.call,
    watch: (coordinator) => {
      reports.watch(coordinator, async () => undefined)
    },
    close: async () => reports.close(),
  }
}

/** Starts a viewer of the metrics. @param url of the metrics @returns a function that ends the viewer */
async function startViewer(url: string): Promise<() => Promise<void>> {
  const viewer = spawn(process.execPath, ['--input-type=module', '--eval', VIEWER, url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(viewer, 'close')
  await Promise.race([once(viewer.stdout, 'data'), ended])
  if (viewer.exitCode !== null) throw new ConvoyError('internal', 'the viewer of the measured run did not start')
  return async () => {
    viewer.kill()
    await ended
  }
}
