import { residualNetwork } from './residual-network.js'

/** Not in a paper: for minutes on a small CPU, with wider late stages, which cost little where images are small. */
export const resnet8 = residualNetwork({ stem: 16, stages: [16, 48, 96], blocksPerStage: 1, shortcut: 'identity' })
