import type { NumberMutation } from './mutation.js'
import { ADMISSION } from './numbers/admission.js'
import { AUGMENTATION } from './numbers/augmentation.js'

import { CAPTURE } from './numbers/capture.js'
import { DATA } from './numbers/data.js'
import { DURABILITY } from './numbers/durability.js'
import { ENGINE } from './numbers/engine.js'
import { METRICS } from './numbers/metrics.js'
import { MODEL } from './numbers/model.js'
import { OBJECTIVES } from './numbers/objectives.js'
import { OPTIMIZER_STEP } from './numbers/optimizer.js'
import { PAGE } from './numbers/page.js'
import { REPORTING } from './numbers/reporting.js'
import { SAVED_MODELS } from './numbers/saved-models.js'
import { TRAINING } from './numbers/training.js'
import { WORKER } from './numbers/worker.js'

/** Faults in what docs/reference/semantics.md defines, and in its reports: `npm run mutation-test -- --numbers`. */
export const NUMBER_MUTATIONS: readonly NumberMutation[] = [
  ...DATA,
  ...AUGMENTATION,
  ...MODEL,
  ...ENGINE,
  ...CAPTURE,
  ...OBJECTIVES,
  ...OPTIMIZER_STEP,
  ...TRAINING,
  ...WORKER,
  ...SAVED_MODELS,
  ...DURABILITY,
  ...REPORTING,
  ...METRICS,
  ...ADMISSION,
  ...PAGE,
]
