import type { DataId, Tensor, TensorInfo, Variable } from '@tensorflow/tfjs'
import { ConvoyError } from '../../shared/errors.js'
import type { NativeBackend, NativeBinding, TensorValues } from '../engine/native-backend.js'
import type { TensorFlow } from '../runtime/load-tensorflow.js'
import type { Graph, GraphNode, OutputReference } from './graph.js'
import { attributesOf, constant, placeholder } from './graph.js'

/** Ops whose result changes from run to run. A recording of them would not behave like the eager op. */
const STATEFUL_OPS =
  /^(RandomUniform(Int)?|RandomStandardNormal|TruncatedNormal|ParameterizedTruncatedNormal|Multinomial|RandomShuffle|RandomGamma)$/

/** Type attributes that eager ops leave to TensorFlow to infer, and graphs have to state: op to attribute to input. */
const IMPLIED_TYPES: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  ExpandDims: { T: 0, Tdim: 1 },
  Where: { T: 0 },
}

/** A recorded function: its graph, whose inputs are the function's, then the variables that it reads. */
export interface Recorded {
  readonly graph: Graph
  readonly variables: readonly Variable[]
  /** The tensors that the function returned; the caller of {@link record} owns them. */
  readonly outputs: Tensor[]
}

/**
 * Runs a function once and records its calls to the addon: every op becomes a node, every upload a constant, its inputs and the variables
 * that it reads placeholders.
 * @throws ConvoyError('usage') naming the op and the caller's line, for code that would behave differently in a graph
 */
export function record(
  tf: TensorFlow,
  backend: NativeBackend,
  fn: () => Tensor[],
  inputs: readonly Tensor[],
): Recorded {
  const recording = new Recording(tf, backend, inputs)
  const outputs = recording.run(fn)
  return { graph: recording.graph(), variables: recording.variables, outputs }
}

class Recording {
  readonly variables: Variable[] = []
  readonly #tf: TensorFlow
  readonly #backend: NativeBackend
  readonly #native: NativeBinding
  readonly #inputs: GraphNode[]
  readonly #nodes: GraphNode[] = []
  /** By native id, which is never reused. */
  readonly #known = new Map<number, OutputReference>()
  readonly #uploads = new Map<number, { shape: number[]; dtype: number; values: TensorValues }>()
  /** Data that the function itself uploads. */
  readonly #ownData = new WeakSet<DataId>()
  #outputIds: readonly number[] = []
  /** The op that runs, for messages. */
  #op = 'the function'

  constructor(tf: TensorFlow, backend: NativeBackend, inputs: readonly Tensor[]) {
    this.#tf = tf
    this.#backend = backend
    this.#native = backend.binding
    const ids = backend.getInputTensorIds(inputs)
    this.#inputs = inputs.map((input, index) => this.#addPlaceholder(input, ids[index]!))
  }

  /** Runs the function and records it. */
  run(fn: () => Tensor[]): Tensor[] {
    const backend = this.#backend
    // Catches draws from Math.random.
    const generator: { random: () => number } = Math
    const { random } = generator
    const before = Object.values(this.#tf.engine().registeredVariables).map(
      (variable) => [variable, variable.dataId] as const,
    )
    const { move, getInputTensorIds, readSync } = backend
    backend.binding = this.#watchedBinding()
    backend.move = (dataId, ...rest) => {
      this.#ownData.add(dataId)
      move.call(backend, dataId, ...rest)
    }
    backend.getInputTensorIds = (tensors) => {
      for (const tensor of tensors) this.#introduce(tensor)
      const ids = getInputTensorIds.call(backend, tensors)
      tensors.forEach((tensor, index) => {
        this.#introduceVariable(tensor, ids[index]!)
      })
      return ids
    }
    backend.readSync = (dataId) => {
      if (this.#ownData.has(dataId)) return readSync.call(backend, dataId)
      throw this.#uncapturable('reads the value of a tensor (dataSync, data, print, or an op that works on values)')
    }
    generator.random = () => {
      throw this.#uncapturable(
        'draws from Math.random, and the recording would repeat that draw; give an op a seed, or pass numbers in',
      )
    }
    let outputs: Tensor[]
    try {
      outputs = this.#tf.tidy(fn)
      this.#outputIds = backend.getInputTensorIds(outputs)
    } finally {
      generator.random = random
      // Instance properties hid the prototype's methods.
      for (const name of ['move', 'getInputTensorIds', 'readSync'] as const) Reflect.deleteProperty(backend, name)
      backend.binding = this.#native
    }
    const assigned = before.find(([variable, dataId]) => variable.dataId !== dataId)
    if (assigned) {
      this.#tf.dispose(outputs)
      throw this.#uncapturable(`assigns the variable ${assigned[0].name}; return the new value and assign it outside`)
    }
    return outputs
  }

  /** The recording, after {@link run}. */
  graph(): Graph {
    const references = this.#outputIds.map((id) => {
      const reference = this.#referenceOf(id, 'as an output')
      // TensorFlow cannot return a tensor that it is fed.
      const isInput = reference.node.op === 'Placeholder'
      return isInput
        ? this.#add('Identity', [reference], { T: { type: reference.node.outputTypes[0] } }, reference.node)
        : reference
    })
    return { inputs: this.#inputs, nodes: this.#nodes, outputs: references }
  }

  #watchedBinding(): NativeBinding {
    const native = this.#native
    // The addon's properties are read-only, so a plain object with the same properties replaces it.
    const properties = Object.fromEntries(
      Object.getOwnPropertyNames(native).map((name) => [name, Reflect.get(native, name) as unknown]),
    )
    return {
      ...(properties as unknown as NativeBinding),
      createTensor: (shape, dtype, values) => {
        const id = native.createTensor(shape, dtype, values)
        this.#uploads.set(id, { shape, dtype, values })
        return id
      },
      executeOp: (op, attributes, inputIds, outputCount) => {
        this.#op = op
        if (STATEFUL_OPS.test(op)) throw this.#uncapturable('draws new numbers in each run; use a stateless op')
        const references = inputIds.map((id, index) => this.#referenceOf(id, `as input ${index}`))
        const implied = Object.entries(IMPLIED_TYPES[op] ?? {}).map(([name, input]) => [
          name,
          { type: typeOfInput(references, input) },
        ])
        let written: GraphNode['attributes']
        try {
          written = attributesOf(native, attributes)
        } catch (error) {
          throw this.#uncapturable((error as Error).message)
        }
        const results = native.executeOp(op, attributes, inputIds, outputCount)
        if (op === 'Cast' && results[0]!.dtype === typeOfInput(references, 0)) {
          // TensorFlow.js casts gradients to the type that they already have. Skipped: in bfloat16 each would become two real casts.
          this.#known.set(results[0]!.id, references[0]!)
          this.#op = 'the function'
          return results
        }
        const { node } = this.#add(
          op,
          references,
          { ...(Object.fromEntries(implied) as GraphNode['attributes']), ...written },
          { outputTypes: results.map(({ dtype }) => dtype), outputShapes: results.map(({ shape }) => shape) },
        )
        results.forEach(({ id }, index) => this.#known.set(id, { node, index }))
        this.#op = 'the function'
        return results
      },
    }
  }

  /** Called before a tensor's id is read: an outside tensor that waits for its upload would look like a constant. */
  #introduce(tensor: TensorInfo): void {
    const data = this.#backend.tensorMap.get(tensor.dataId)
    if (
      data !== undefined &&
      data.values !== null &&
      !this.#ownData.has(tensor.dataId) &&
      this.#variableOf(tensor) === undefined
    ) {
      throw this.#uncapturable('uses a tensor from outside; make it one of the inputs, or a variable')
    }
  }

  #introduceVariable(tensor: TensorInfo, id: number): void {
    if (this.#known.has(id)) return
    const variable = this.#variableOf(tensor)
    if (variable === undefined) return
    this.#uploads.delete(id)
    this.#inputs.push(this.#addPlaceholder(variable, id))
    this.variables.push(variable)
  }

  #variableOf({ dataId }: TensorInfo): Variable | undefined {
    if (this.#ownData.has(dataId)) return undefined
    return Object.values(this.#tf.engine().registeredVariables).find((variable) => variable.dataId === dataId)
  }

  #addPlaceholder({ dataId, shape }: Tensor, id: number): GraphNode {
    const node = placeholder(this.#backend.tensorMap.get(dataId)!.dtype, shape)
    this.#nodes.push(node)
    this.#known.set(id, { node, index: 0 })
    return node
  }

  #add(
    op: string,
    inputs: OutputReference[],
    attributes: GraphNode['attributes'],
    { outputTypes, outputShapes }: Pick<GraphNode, 'outputTypes' | 'outputShapes'>,
  ): OutputReference {
    const node = { op, inputs, attributes, outputTypes, outputShapes }
    this.#nodes.push(node)
    return { node, index: 0 }
  }

  #referenceOf(id: number, role: string): OutputReference {
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const upload = this.#uploads.get(id)
    if (upload === undefined) {
      throw this.#uncapturable(`uses a tensor from outside ${role}; make it one of the inputs, or a variable`)
    }
    const node = constant(this.#native, upload.dtype, upload.shape, upload.values)
    this.#nodes.push(node)
    const reference = { node, index: 0 }
    this.#known.set(id, reference)
    return reference
  }

  #uncapturable(why: string): ConvoyError {
    const limit = Error.stackTraceLimit
    // TensorFlow.js alone is more than ten frames deep.
    Error.stackTraceLimit = 100
    const line = callersLine(new Error().stack ?? '')
    Error.stackTraceLimit = limit
    return new ConvoyError('usage', `Cannot capture: ${this.#op} ${why}${line === undefined ? '' : ` (${line})`}.`)
  }
}

function typeOfInput(references: readonly OutputReference[], input: number): number {
  const { node, index } = references[input]!
  return node.outputTypes[index]!
}

/** Stack frames of TensorFlow.js (also by the names that its source maps give), of Node and of this folder. */
const NOT_THE_CALLERS =
  /node_modules.@tensorflow|tfjs-(core|layers|node|converter|data|backend-\w+).src|node:|tensorflow.capture.(recording|capture)\.|<anonymous>/

/** The innermost frame that is neither TensorFlow.js, Node nor this folder: `file:line:column`. */
function callersLine(stack: string): string | undefined {
  const frame = stack
    .split('\n')
    .slice(1)
    .find((line) => !NOT_THE_CALLERS.test(line))
  return frame && /\(?((?:file:)?[^()\s]+:\d+:\d+)\)?$/.exec(frame)?.[1]
}
