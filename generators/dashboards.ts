import { GPU } from './dashboards/gpu.js'
import { NETWORK } from './dashboards/network.js'
import { OVERVIEW } from './dashboards/overview.js'
import { PROCESS } from './dashboards/process.js'
import { STEP_TIME } from './dashboards/step-time.js'
import { WORKERS } from './dashboards/workers.js'
import type { Dashboard } from './panels.js'

/** What deploy/monitoring/grafana/dashboards is generated from. */
export const DASHBOARDS: readonly Dashboard[] = [OVERVIEW, WORKERS, STEP_TIME, NETWORK, GPU, PROCESS]
