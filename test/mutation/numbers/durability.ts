import type { NumberMutation } from '../mutation.js'

const tests = ['unit/durability/durable-run']
const DURABLE = { file: 'durability/durable-run.js', tests }
const REPLAY = { file: 'durability/replay-journal.js', tests }
const SEGMENT = { file: 'durability/segment-reader.js', tests }

/** Checkpoints, the step journal, and what a resumed run makes of them. */
export const DURABILITY: readonly NumberMutation[] = [
  {
    ...REPLAY,
    name: 'a step of the journal is applied twice',
    find: 'const outcome = applyGradient(state, frame.vector,',
    replace:
      'applyGradient(state, frame.vector.slice(), model.layout, config, total);\n    const outcome = applyGradient(state, frame.vector,',
  },
  {
    ...REPLAY,
    name: 'a segment of the journal continues any weights',
    find: 'weightsCrc === crcOf(bytesOf(state.weights))',
    replace: 'true',
  },
  {
    ...DURABLE,
    file: 'training/training-state-tensors.js',
    name: 'a resumed run forgets the state of its optimizer',
    find: 'vector.set(tensors[name])',
    replace: "name.startsWith('optimizer/') || vector.set(tensors[name])",
  },
  {
    ...DURABLE,
    name: 'validations are not journaled',
    find: 'await this.#journal?.appendValidation(validation)',
    replace: 'void validation',
  },
  {
    ...DURABLE,
    name: 'a resumed run writes over the journal that it replayed',
    find: 'reopen(end.file, end.bytes)',
    replace: 'reopen(end.file, 60)',
  },
  {
    ...DURABLE,
    name: 'the journal of the checkpoint before the newest is removed',
    find: 'Math.min(...kept)',
    replace: 'Math.max(...kept)',
  },
  {
    ...DURABLE,
    name: 'a checkpoint holds the weights of a later step',
    find: 'new Float32Array(vector)',
    replace: 'vector',
  },
  {
    ...DURABLE,
    file: 'training/trainer.js',
    name: 'a checkpoint is there before metrics.jsonl has its last step',
    find: 'this.#emitPending();\n                    await between',
    replace: 'await between',
  },
  {
    ...DURABLE,
    file: 'durability/checkpoints.js',
    name: 'the only checkpoint is lost when it is about to be replaced',
    find: 'replacedBy(name) ?? name',
    replace: 'name',
  },
  {
    ...DURABLE,
    file: 'durability/checkpoints.js',
    name: 'a checkpoint of a later step takes the place of the newest one',
    find: 'step <= newest',
    replace: 'true',
  },
  {
    ...DURABLE,
    name: 'a checkpoint makes good a gap in the journal that is after it',
    find: 'this.#closedGaps = gaps;',
    replace: 'this.#closedGaps = this.#gaps;',
  },
  {
    ...DURABLE,
    name: 'old checkpoints are removed when a new one has failed',
    find: 'return { step, directory, failure: ConvoyError.from(error).message };',
    replace: '',
  },
  {
    ...REPLAY,
    name: 'steps are appended to the segment before one that can be read only in part',
    find: 'events.length > earlier',
    replace: 'false',
  },
  {
    ...DURABLE,
    file: 'durability/checkpoints.js',
    name: 'a replaced checkpoint is removed instead of given its name back',
    find: 'if (target !== undefined && !disk.existsSync(path.join(root, target)))',
    replace: 'if (target === "")',
  },
  {
    ...DURABLE,
    file: 'durability/own-checkpoint.js',
    tests: ['unit/durability/corruption'],
    name: 'the checkpoint of another run is loaded',
    find: 'writer.directory !== run',
    replace: 'false',
  },
  {
    ...SEGMENT,
    name: 'a damaged frame of the journal is applied',
    find: 'crc.readUInt32LE() !== crcOf(headBytes, json, vector)',
    replace: 'false',
  },
  {
    ...DURABLE,
    file: 'durability/read-checkpoint.js',
    name: 'a damaged checkpoint is loaded',
    find: 'sums !== sumsOf(sha256Of(text), sha256Of(bytes))',
    replace: 'sums.length === 0',
  },
]
