import type { Snapshot, Update } from '../page-state.js'
import { Charts } from './charts.js'
import { byId } from './dom.js'
import { showEvaluation } from './evaluation-view.js'
import { LogView } from './log-view.js'
import { showPhases } from './phase-view.js'
import { showRun } from './run-view.js'
import { WorkerView } from './worker-view.js'

const charts = new Charts()
const workers = new WorkerView()
const log = new LogView()

let run: Snapshot | undefined
let isConnected = false
let isDrawn = true

/** Once a frame, however much comes, and only while somebody looks. */
function draw(): void {
  if (!isDrawn) return
  isDrawn = false
  requestAnimationFrame(() => {
    isDrawn = true
    if (run === undefined) return
    showRun(run, isConnected)
    charts.show(run)
    if (run.status) {
      showPhases(run.status)
      workers.show(run.status)
    }
    showEvaluation(run)
    log.show(run)
  })
}

function follow(): void {
  const events = new EventSource('./events')
  events.addEventListener('open', () => {
    isConnected = true
    byId('connection').hidden = true
  })
  events.addEventListener('snapshot', ({ data }: MessageEvent<string>) => {
    run = JSON.parse(data) as Snapshot
    draw()
  })
  events.addEventListener('update', ({ data }: MessageEvent<string>) => {
    const update = JSON.parse(data) as Update
    if (run === undefined) return
    run = {
      ...run,
      ...update,
      points: [...run.points, ...update.points],
      evaluations: [...run.evaluations, ...update.evaluations],
      lines: [...run.lines, ...update.lines],
    }
    draw()
  })
  events.addEventListener('error', () => {
    isConnected = false
    // A coordinator that is done goes away; what it said last stays here.
    const hasEnded = run?.outcome !== undefined
    byId('connection').hidden = hasEnded
    byId('connection').textContent = 'The coordinator does not answer. Trying again …'
    if (hasEnded) events.close()
    draw()
  })
}

const embedded = document.getElementById('snapshot')
if (embedded === null) follow()
else {
  run = JSON.parse(embedded.textContent) as Snapshot
  draw()
}
