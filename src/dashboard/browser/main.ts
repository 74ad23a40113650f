import type { Inspection } from '../inspection.js'
import type { Snapshot } from '../page-state.js'
import { Charts } from './charts.js'
import { EvaluationView } from './evaluation-view.js'
import { follow } from './follow.js'
import { InsideView } from './inside-view.js'
import { LogView } from './log-view.js'
import { showLooking } from './looking-view.js'
import { showPhases } from './phase-view.js'
import { PredictionView } from './prediction-view.js'
import { showRun } from './run-view.js'
import { showTimeline } from './timeline-view.js'
import { WorkerView } from './worker-view.js'

const charts = new Charts()
const workers = new WorkerView()
const evaluation = new EvaluationView()
const inside = new InsideView()
const predictions = new PredictionView((image) => {
  inside.choose(image)
  draw()
})
const log = new LogView()

let run: Snapshot | undefined
let inspection: Inspection | undefined
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
    evaluation.show(run)
    const classNames = run.header?.classNames ?? []
    predictions.show(inspection, classNames)
    inside.show(inspection, run.status?.kernels, classNames)
    showLooking(run, inspection, isConnected)
    if (run.status) {
      showPhases(run.status)
      workers.show(run.header?.runDirectory ?? '', run.status, isConnected)
    }
    showTimeline(run)
    log.show(run.lines)
  })
}

// A report brings everything along; reportPage writes these elements.
const [storyElement, inspectionElement] = ['snapshot', 'inspection'].map((id) => document.getElementById(id))
if (storyElement) {
  run = JSON.parse(storyElement.textContent) as Snapshot
  if (inspectionElement) inspection = JSON.parse(inspectionElement.textContent) as Inspection
  draw()
} else {
  follow({
    run: (newest) => {
      run = newest
      draw()
    },
    inspection: (newest) => {
      inspection = newest
      draw()
    },
    connected: (isSo) => {
      isConnected = isSo
      draw()
    },
  })
}
