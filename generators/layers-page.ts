import { REJECTED_LAYERS, TRAINED_LAYERS } from '../src/model/layer-support.js'

/** docs/reference/layers.md: every layer of TensorFlow.js, and whether it trains. */
export function layersPage(): string {
  const rows = [
    ...TRAINED_LAYERS.map((name) => [name, 'yes']),
    ...Object.entries(REJECTED_LAYERS).map(([name, reason]) => [name, `no: ${reason}`]),
  ].sort(([one], [other]) => (one! < other! ? -1 : 1))
  return `# Layers

<!-- Generated from src/model/layer-support.ts by \`npm run generate\`: change it there. -->

The layers of TensorFlow.js 4.22, and whether a model of your own may have them (\`--model\`). Those with "yes" train with the same bits for any
number of workers: a test compares the gradient of each that draws nothing with that of TensorFlow.js. The others are rejected by name before anything
starts. [Train your own model](../guides/your-own-model.md).

| layer | trains |
| --- | --- |
${rows.map(([name, trains]) => `| ${name} | ${trains} |`).join('\n')}

Models inside models are taken apart into their layers. Of every layer, these settings are rejected: constraints of weights, activityRegularizer,
regularisers other than L2, and noiseShape of dropout; of SimpleRNN, GRU and LSTM also dropout inside the cell, and stateful.
`
}
