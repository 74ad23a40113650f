import { residualNetwork } from './residual-network.js'

/** Three blocks that widen, made for L2 and dropout. */
export const wide8 = residualNetwork({ stem: 32, stages: [32, 64, 128], blocksPerStage: 1, shortcut: 'projection' })
