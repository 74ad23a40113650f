import type { Inspection } from '../inspection.js'
import type { Snapshot } from '../page-state.js'
import { Charts } from './charts.js'
import { byId } from './dom.js'
import { EvaluationView } from './evaluation-view.js'
import { follow } from './follow.js'
import { InsideView } from './inside-view.js'
import { LogView } from './log-view.js'
import { showInspectionState } from './looking-view.js'
import { showPhases } from './phase-view.js'
import { PredictionView } from './prediction-view.js'
import { isOver, showResult, weightsAt } from './result-view.js'
import { showRun } from './run-view.js'
import { showSettings } from './settings-view.js'
import { showTimeline } from './timeline-view.js'
import { showWorkerHistory } from './worker-history.js'
import { showTraffic, WorkerView } from './worker-view.js'

const charts = new Charts()
const workers = new WorkerView()
const evaluation = new EvaluationView()
const inside = new InsideView()
const predictions = new PredictionView((image) => {
  inside.choose(image)
  draw()
})
const log = new LogView()

// A report contains its data; reportPage writes these elements.
const timelineElement = document.getElementById('snapshot')
const inspectionElement = document.getElementById('inspection')
const isReport = timelineElement !== null

let run: Snapshot | undefined
let inspection: Inspection | undefined
let isConnected = false
let isDrawn = true

/** At most once a frame, and only while the page is visible. */
function draw(): void {
  if (!isDrawn) return
  isDrawn = false
  requestAnimationFrame(() => {
    isDrawn = true
    if (run === undefined) return
    const timeline = run
    showRun(run, isConnected)
    showResult(run)
    showSettings(run)
    charts.show(run)
    evaluation.show(run)
    const classNames = run.header?.classNames ?? []
    predictions.show(inspection, classNames, (step) => weightsAt(timeline, step))
    inside.show(inspection, run.status?.kernels, classNames)
    showInspectionState(run, inspection, isConnected)
    if (run.status) {
      showPhases(run.status)
      if (isReport || isOver(run)) {
        showWorkerHistory(run)
        showTraffic(run.status)
      } else workers.show(run.header?.runDirectory ?? '', run.status, isConnected)
    }
    showTimeline(run)
    log.show(run.lines, run.header?.startedSeconds)
  })
}

if (timelineElement) {
  arrangeReport()
  run = JSON.parse(timelineElement.textContent) as Snapshot
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

/** Opens the settings, and moves the learning sections before those about workers. */
function arrangeReport(): void {
  ;(byId('about') as HTMLDetailsElement).open = true
  byId('happened').before(byId('work'), byId('phase-section'))
}
