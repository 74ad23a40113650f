import type { Network } from './network.js'
import { residualNetwork } from './residual-network.js'

/** He et al. 2015, section 4.2: 6n + 2 layers for 32x32 images. */
function cifarResnet(blocksPerStage: number): Network {
  return residualNetwork({ stem: 16, stages: [16, 32, 64], blocksPerStage, shortcut: 'identity' })
}

export const resnet20 = cifarResnet(3)
export const resnet32 = cifarResnet(5)
export const resnet44 = cifarResnet(7)
export const resnet56 = cifarResnet(9)
export const resnet110 = cifarResnet(18)
