import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import protobuf from 'protobufjs'
import { packageRoot } from '../../shared/package-root.js'
import type { NativeBinding, NativeTensor } from '../engine/native-backend.js'
import type { Graph, GraphNode, OutputReference } from './graph.js'

/** The newest GraphDef version whose meaning these graphs rely on; any TensorFlow since 2.15 reads it. */
const GRAPH_PRODUCER = 1645

/** A graph that TensorFlow has loaded. */
export class GraphSession {
  readonly #binding: NativeBinding
  readonly #id: number
  readonly #inputNames: string
  readonly #outputNames: string

  /** @throws TensorFlow's error for a graph that it rejects */
  constructor(binding: NativeBinding, graph: Graph) {
    const names = new Map(graph.nodes.map((node, index) => [node, `${node.op}_${index}`]))
    this.#binding = binding
    this.#inputNames = graph.inputs.map((node) => `${names.get(node)!}:0`).join(',')
    this.#outputNames = graph.outputs.map(({ node, index }) => `${names.get(node)!}:${index}`).join(',')
    // TensorFlow's C API loads sessions with default options from directories only.
    const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-graph-'))
    try {
      writeFileSync(path.join(directory, 'saved_model.pb'), serialise(graph, names))
      this.#id = binding.loadSavedModel(directory, 'serve')
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  /** @param inputs native ids, in the order of the graph's inputs */
  run(inputs: number[]): NativeTensor[] {
    return this.#binding.runSavedModel(this.#id, inputs, this.#inputNames, this.#outputNames)
  }

  close(): void {
    this.#binding.deleteSavedModel(this.#id)
  }
}

/** The graph as a binary `saved_model.pb`, tagged `serve`. */
function serialise({ nodes }: Graph, names: ReadonlyMap<GraphNode, string>): Uint8Array {
  const reference = ({ node, index }: OutputReference): string =>
    index === 0 ? names.get(node)! : `${names.get(node)!}:${index}`
  const node = nodes.map((node) => ({
    name: names.get(node)!,
    op: node.op,
    input: node.inputs.map(reference),
    attr: node.attributes,
  }))
  const savedModel = savedModelType()
  const graphDef = { node, versions: { producer: GRAPH_PRODUCER } }
  const message = { savedModelSchemaVersion: 1, metaGraphs: [{ metaInfoDef: { tags: ['serve'] }, graphDef }] }
  return savedModel.encode(savedModel.fromObject(message)).finish()
}

let cachedType: protobuf.Type | undefined

function savedModelType(): protobuf.Type {
  cachedType ??= protobuf
    .loadSync(path.join(packageRoot, 'proto', 'tensorflow.proto'))
    .lookupType('tensorflow.SavedModel')
  return cachedType
}
