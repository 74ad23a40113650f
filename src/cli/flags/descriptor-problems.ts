import { descriptorLimit } from '../../shared/descriptor-limit.js'
import { counted } from '../../shared/units.js'

/** Files of a run itself: reports, logs, listeners, Node's own (27 on Linux), and short-lived ones. */
const OWN_FILES = 40
/** Of a worker that joined: its connections. */
const FILES_PER_WORKER = 3
/** Of a worker process that this one started: pipes and its log as well. */
const FILES_PER_PROCESS = 7

interface WorkerCounts {
  /** As `--workers` gives it. */
  readonly workers?: number | undefined
  /** As `--max-workers` gives it. */
  readonly maxWorkers?: number | undefined
}

/** One sentence for each given number of workers that needs more open files than this process may have. Defaults are not checked. */
export function descriptorProblems({ workers, maxWorkers }: WorkerCounts, limit = descriptorLimit()): string[] {
  return [
    ...tooMany('--workers', workers, FILES_PER_PROCESS, limit),
    ...tooMany('--max-workers', maxWorkers, FILES_PER_WORKER, limit),
  ]
}

function tooMany(flag: string, count: number | undefined, filesEach: number, limit: number): string[] {
  if (count === undefined || OWN_FILES + count * filesEach <= limit) return []
  const needed = OWN_FILES + count * filesEach
  const fits = Math.max(1, Math.floor((limit - OWN_FILES) / filesEach))
  return [
    `${flag} ${count} needs about ${counted(needed, 'open file')}, and this process may open ${limit}; raise the limit (ulimit -n ${needed}), or use ${flag} ${fits}.`,
  ]
}
