import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { Coordinator } from '../../coordinator/coordinator.js'
import { weightsSha256 } from '../../model/weights-sha256.js'
import { ConvoyError } from '../../shared/errors.js'
import { parseLogLevels } from '../../shared/log/log-levels.js'
import { Log } from '../../shared/log/log.js'
import { readableLine } from '../../shared/log/readable-line.js'
import { standardError } from '../../shared/terminal.js'
import { StepGate } from '../step-gate.js'
import type { CoordinatorReply, CoordinatorRequest, CoordinatorSettings } from './coordinator-process.js'
import { StepRecorder } from './step-recorder.js'
import { syntheticRun } from './synthetic-run.js'

/**
 * The coordinator of a contestant, in a process of its own: `coordinator-entry.js SETTINGS`, JSON. Answers each {@link CoordinatorRequest} of its
 * parent process with a {@link CoordinatorReply}, and ends with it. Between turns no lease is given.
 */
const settings = JSON.parse(process.argv[2]!) as CoordinatorSettings
const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-bench-'))
const gate = new StepGate()
const recorder = new StepRecorder()
const abort = new AbortController()
const log = new Log({
  levels: parseLogLevels('warn'),
  sinks: [(record) => standardError.printLine(readableLine(record))],
  now: Date.now,
})

function reply(message: CoordinatorReply): void {
  if (process.connected) process.send!(message)
}

const { weights, shards, optimizer, wire, maxWorkers } = settings
const run = await syntheticRun(weights, shards, optimizer, wire, (text) => {
  standardError.printLine(text)
})
const emptyBytes = process.memoryUsage.rss()
const coordinator = await Coordinator.start({
  ...{ run, listen: '127.0.0.1:0', adminListen: '127.0.0.1:0', insecure: false, maxWorkers },
  ...{ allowMixedDevices: false, auditEvery: 0, workerLogLevel: 'warn', signal: abort.signal },
  runDirectory: directory,
  observer: (event) => {
    if (event.kind !== 'step') return
    recorder.stepped(event)
    gate.stepped()
  },
  log,
  hooks: { beforeStep: async () => gate.open(abort.signal) },
})
const ended = coordinator.train().catch((error: unknown) => {
  gate.fail(ConvoyError.from(error))
})

process.on('message', (request: CoordinatorRequest) => {
  answer(request).catch((error: unknown) => {
    reply({ kind: 'failed', message: ConvoyError.from(error).message })
  })
})
process.on('disconnect', () => {
  void close()
})
reply({ kind: 'listening', address: coordinator.address })

async function answer(request: CoordinatorRequest): Promise<void> {
  switch (request.kind) {
    case 'count':
      reply({ kind: 'workers', count: coordinator.workerCount })
      return
    case 'steps': {
      recorder.begin()
      const seconds = await gate.take(request.count)
      const names = coordinator.workers().map(({ id, name }) => [id, name] as const)
      reply({ kind: 'steps', seconds, recorded: recorder.end(), names })
      return
    }
    case 'facts': {
      const memory = { emptyBytes, peakBytes: peakBytes(), lastBytes: process.memoryUsage.rss() }
      reply({ kind: 'facts', memory, weightsSha256: weightsSha256(coordinator.weights()) })
    }
  }
}

/** Most resident memory of this process so far. */
function peakBytes(): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!
  return Number(kilobytes) * 1024
}

async function close(): Promise<void> {
  abort.abort(new ConvoyError('interrupted', 'the benchmark is over'))
  await ended
  await coordinator.close()
  rmSync(directory, { recursive: true, force: true })
}
