import type { DataId, Tensor, TensorInfo } from '@tensorflow/tfjs'

/** TensorFlow.js with its native backend. */
export type TensorFlow = typeof import('@tensorflow/tfjs-node-gpu')

/** An attribute of a TensorFlow op: `type` is one of the binding's `TF_ATTR_…` numbers. */
export interface OpAttribute {
  readonly name: string
  readonly type: number
  readonly value: unknown
}

export interface NativeTensor {
  readonly id: number
  readonly shape: number[]
  /** One of the binding's `TF_…` data types. */
  readonly dtype: number
}

export type TensorValues = Float32Array | Int32Array | Uint8Array | number[] | boolean[]

/** The native addon of tfjs-node: the C interface for every op and every upload. */
export interface NativeBinding {
  createTensor(shape: number[], dtype: number, values: TensorValues): number
  deleteTensor(id: number): void
  tensorDataSync(id: number): Float32Array | Int32Array | Uint8Array
  executeOp(name: string, attributes: OpAttribute[], inputs: number[], outputCount: number): NativeTensor[]
  loadSavedModel(directory: string, tags: string): number
  deleteSavedModel(id: number): void
  runSavedModel(id: number, inputs: number[], inputNames: string, outputNames: string): NativeTensor[]
  readonly TF_Version: string
  readonly TF_FLOAT: number
  readonly TF_INT32: number
  readonly TF_INT64: number
  readonly TF_BOOL: number
  readonly TF_UINT8: number
  readonly TF_ATTR_STRING: number
  readonly TF_ATTR_INT: number
  readonly TF_ATTR_FLOAT: number
  readonly TF_ATTR_BOOL: number
  readonly TF_ATTR_TYPE: number
}

/** The members of tfjs-node's backend that Convoy uses, private ones included (version 4.22.0, pinned). */
export interface NativeBackend {
  binding: NativeBinding
  readonly isUsingGpuDevice: boolean
  /** `values` are set while a tensor waits for its upload. */
  readonly tensorMap: { get(dataId: DataId): { id: number; dtype: number; values: unknown } | undefined }
  /** Native ids of tensors; uploads those that were not uploaded yet. */
  getInputTensorIds: (tensors: readonly TensorInfo[]) => number[]
  /** Stores JavaScript values as the data of a tensor. */
  move: (dataId: DataId, values: unknown, shape: number[], dtype: string, refCount: number) => void
  /** Reads the values of a tensor. */
  readSync: (dataId: DataId) => TensorValues
  /** Wraps a native tensor. */
  createOutputTensor(tensor: NativeTensor): Tensor
  executeSingleOutput(name: string, attributes: OpAttribute[], inputs: readonly TensorInfo[]): Tensor
  executeMultipleOutputs(
    name: string,
    attributes: OpAttribute[],
    inputs: readonly TensorInfo[],
    outputCount: number,
  ): Tensor[]
}

/** The backend that TensorFlow.js computes with once tfjs-node is loaded. */
export function nativeBackend(tf: TensorFlow): NativeBackend {
  return tf.backend() as unknown as NativeBackend
}

/**
 * Uploads bytes as a native uint8 tensor. TensorFlow.js has no uint8 and calls it int32; only native ops that name the type
 * may read it (see `bytesToFloat` in fused-ops).
 * @param bytes uint8, as many as the shape holds
 */
export function uploadBytes(backend: NativeBackend, bytes: Uint8Array, shape: number[]): Tensor {
  const { binding } = backend
  const id = binding.createTensor(shape, binding.TF_UINT8, bytes)
  return backend.createOutputTensor({ id, shape, dtype: binding.TF_UINT8 })
}
