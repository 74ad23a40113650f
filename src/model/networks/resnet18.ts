import { residualNetwork } from './residual-network.js'

/** The ImageNet network of He et al. 2015 with a 3x3 stem and no pooling, as is usual for small images. */
export const resnet18 = residualNetwork({
  stem: 64,
  stages: [64, 128, 256, 512],
  blocksPerStage: 2,
  shortcut: 'projection',
})
