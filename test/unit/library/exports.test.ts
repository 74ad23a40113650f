import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { apiPage } from '../../../generators/api-page.js'
import * as convoy from '../../../src/index.js'

const VALUES = [
  ...['train', 'defineModel', 'defineDataset', 'evaluate', 'predict', 'loadRun', 'fit', 'fitDataset'],
  ...['capture', 'loadTensorflow', 'ConvoyError'],
]
const TYPES = [
  ...['ArrayInput', 'ArrayInputs', 'BatchDataset', 'BestEvaluation', 'Capturable', 'Captured', 'CaptureOptions'],
  ...['ClassProbability', 'DatasetDefinition', 'DatasetHandle', 'EvaluatedModel', 'EvaluateOptions', 'Evaluation'],
  ...['EvaluationResult', 'FitArgs', 'FitCallbacks', 'FitDatasetArgs', 'FitHistory', 'ImageInputs', 'ImageOverlap'],
  ...['LeftOut', 'LoadedRun', 'LoadedTensorflow', 'Measurement', 'MetricsLine', 'ModelDefinition', 'NamedWeights'],
  ...['OutputPrediction', 'Pixels', 'Precision', 'PredictedArrays', 'PredictedImages', 'PredictedOutput'],
  ...['PredictedTable', 'Prediction', 'Predictions', 'PredictOptions', 'RowPrediction', 'RunConfig', 'RunConfigInput'],
  ...['RunPlace', 'RunResult', 'RunStatus', 'RunTiming', 'TableInput', 'Targets', 'TensorFlow', 'TrainingRun'],
  ...['TrainOptions', 'UsedWeights', 'Values', 'WeightsOptions', 'WeightsSummary'],
]

describe('the package', () => {
  it('exports what programs rely on', () => {
    assert.deepEqual(Object.keys(convoy).sort(), [...VALUES].sort())
  })

  it('has a section of the API page for every export, types too', () => {
    const headings = Array.from(apiPage().matchAll(/^## (.*)$/gm), ([, name]) => name!)
    assert.deepEqual(headings.sort(), [...VALUES, ...TYPES].sort())
  })

  it('shows each overload, option and default on the API page', () => {
    const page = apiPage()
    assert.match(
      page,
      /predict\(run: RunPlace, inputs: TableInput, options\?: PredictOptions\): Promise<PredictedTable>/,
    )
    assert.match(page, /\| `workers\?` \| `number` \| .* Default: one for each GPU or core\. \|/)
  })
})
