import type { Inspection } from '../inspection.js'
import type { EvaluationPoint, Snapshot, Update } from '../page-state.js'
import { byId, setStatus } from './dom.js'

/** The same limit as on the server. */
const MAX_LINES = 1_000
const MAX_EVALUATIONS = 2_000
/** Time before a new attempt after the browser gave up reconnecting. */
const AGAIN_MS = 3_000

interface Listener {
  readonly run: (run: Snapshot) => void
  readonly inspection: (inspection: Inspection | undefined) => void
  readonly connected: (isConnected: boolean) => void
}

/** Follows the run of this page's server; after a break, the run of the server at that time. */
export function follow(listener: Listener): void {
  let run: Snapshot | undefined
  const show = (newest: Snapshot): void => {
    // Remove images of another run.
    if (run !== undefined && run.header?.runDirectory !== newest.header?.runDirectory) listener.inspection(undefined)
    run = newest
    listener.run(run)
  }
  const connect = (): void => {
    const events = new EventSource('./events')
    events.addEventListener('open', () => {
      byId('connection').hidden = true
      listener.connected(true)
    })
    events.addEventListener('snapshot', ({ data }: MessageEvent<string>) => show(JSON.parse(data) as Snapshot))
    events.addEventListener('update', ({ data }: MessageEvent<string>) => {
      if (run !== undefined) show(updated(run, JSON.parse(data) as Update))
    })
    events.addEventListener('inspection', ({ data }: MessageEvent<string>) =>
      listener.inspection(JSON.parse(data) as Inspection),
    )
    events.addEventListener('error', () => {
      // The coordinator of a finished run exits; its last state stays on the page.
      const hasEnded = run?.outcome !== undefined
      if (hasEnded) events.close()
      else if (events.readyState === EventSource.CLOSED) setTimeout(connect, AGAIN_MS)
      byId('connection').hidden = hasEnded
      setStatus('connection', 'The coordinator does not answer. Trying again …')
      listener.connected(false)
    })
  }
  connect()
}

function updated(run: Snapshot, update: Update): Snapshot {
  return {
    ...run,
    ...update,
    points: [...run.points, ...update.points],
    evaluations: withOneConfusion([...run.evaluations, ...update.evaluations]).slice(-MAX_EVALUATIONS),
    lines: [...run.lines, ...update.lines].slice(-MAX_LINES),
    members: update.members ?? run.members,
  }
}

/** For each split, only the newest is shown. */
function withOneConfusion(evaluations: readonly EvaluationPoint[]): EvaluationPoint[] {
  return evaluations.map((evaluation) => {
    const isNewest = evaluation === evaluations.findLast(({ split }) => split === evaluation.split)
    const { confusion: _, ...rest } = evaluation
    return isNewest ? evaluation : rest
  })
}
