import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import type { Tensor, Tensor2D, Tensor4D } from '@tensorflow/tfjs'
import type { Graph, GraphNode } from '../../../src/tensorflow/capture/graph.js'
import { placeholder, typeOf } from '../../../src/tensorflow/capture/graph.js'
import { toBfloat16 } from '../../../src/tensorflow/capture/mixed-precision.js'
import type { ConvoyError } from '../../../src/index.js'
import { capture, loadTensorflow } from '../../../src/index.js'

const { tf } = loadTensorflow()
const x = tf.tensor1d([1, 2, 3])
const matrix = tf.tensor2d([1, -2, 3, 4, -5, 6], [2, 3])
const images = tf.tensor4d(
  Array.from({ length: 2 * 6 * 6 * 3 }, (_, index) => ((index * 37) % 101) / 50 - 1),
  [2, 6, 6, 3],
)

function bitsOf(tensor: Tensor): Buffer {
  const values = tensor.dataSync()
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength)
}

describe('a captured function', () => {
  it('returns one tensor', () => {
    const twice = capture((input: Tensor) => input.mul(2), [x])
    assert.deepEqual([...twice(x).dataSync()], [2, 4, 6])
    assert.deepEqual([...twice(tf.tensor1d([5, 6, 7])).dataSync()], [10, 12, 14])
    twice.dispose()
  })

  it('returns a list, with inputs and constants among the outputs', () => {
    const several = capture((a: Tensor, b: Tensor) => [a, tf.add(a, b), tf.scalar(7), a], [x, x])
    const outputs = several(tf.tensor1d([1, 1, 1]), x)
    assert.deepEqual(
      outputs.map((output) => [...output.dataSync()]),
      [[1, 1, 1], [2, 3, 4], [7], [1, 1, 1]],
    )
    several.dispose()
  })

  it('returns an object', () => {
    const named = capture((input: Tensor) => ({ total: input.sum(), largest: input.max() }), [x])
    const { total, largest } = named(x)
    assert.deepEqual([total.arraySync(), largest.arraySync()], [6, 3])
    named.dispose()
  })

  it('returns gradients', () => {
    const slope = capture((input: Tensor) => tf.grad((value) => value.square().sum())(input), [x])
    assert.deepEqual([...slope(x).dataSync()], [2, 4, 6])
    slope.dispose()
  })

  it('rejects other shapes and types than the example, and any call after dispose', () => {
    const twice = capture((input: Tensor) => input.mul(2), [x])
    const rejected = /takes \(float32\[3\]\) and got \((float32\[2\]|int32\[3\]|)\)/
    assert.throws(() => twice(tf.tensor1d([1, 2])), rejected)
    assert.throws(() => twice(tf.tensor1d([1, 2, 3], 'int32')), rejected)
    assert.throws(() => (twice as unknown as () => Tensor)(), rejected)
    twice.dispose()
    assert.throws(() => twice(x), /after its dispose/)
    twice.dispose()
  })
})

describe('capture of a LayersModel', () => {
  const model = tf.sequential({
    layers: [
      tf.layers.conv2d({ inputShape: [6, 6, 3], filters: 4, kernelSize: 3, activation: 'relu' }),
      tf.layers.batchNormalization(),
      tf.layers.flatten(),
      tf.layers.dense({ units: 2 }),
    ],
  })
  after(() => {
    model.dispose()
  })

  it('takes its variables as inputs, used before or not', () => {
    // The model is unused so far, so its variables are not uploaded yet.
    const captured = capture((input: Tensor4D) => model.predict(input) as Tensor, [images])
    assert.deepEqual(bitsOf(captured(images)), bitsOf(model.predict(images) as Tensor))
    const kernel = model.layers[0]!.getWeights()[0]!
    model.layers[0]!.setWeights([kernel.mul(-1), model.layers[0]!.getWeights()[1]!])
    const changed = bitsOf(model.predict(images) as Tensor)
    assert.deepEqual(bitsOf(captured(images)), changed)
    captured.dispose()
  })

  it('rejects a function that assigns a variable, because a graph cannot', () => {
    const counter = tf.variable(tf.scalar(1))
    const count = (input: Tensor): Tensor => {
      counter.assign(counter.add(1))
      return input.add(counter)
    }
    assert.throws(() => capture(count, [x]), /assigns the variable .*assign it outside/)
    counter.dispose()
  })
})

describe('captured ops give the same bits as eager ones', () => {
  const cases: Record<string, (a: Tensor2D, b: Tensor4D) => Tensor> = {
    arithmetic: (a) => a.add(1).sub(a.square()).mul(a.exp()).div(a.abs().add(0.5)),
    'floor, mod, power': (a) => a.floor().add(a.mod(2)).add(a.abs().pow(1.5)),
    'logs and roots': (a) => a.abs().log().add(a.abs().sqrt()).add(a.abs().rsqrt()).add(a.abs().log1p()),
    trigonometry: (a) => tf.stack([a.sin(), a.cos(), a.tanh(), a.atan(), a.sigmoid(), a.erf()]),
    activations: (a) =>
      tf.stack([a.relu(), a.elu(), a.selu(), a.relu6(), a.softplus(), tf.leakyRelu(a), a.logSoftmax()]),
    comparisons: (a) => tf.logicalAnd(a.greater(0), tf.logicalNot(a.lessEqual(3))).cast('float32'),
    choice: (a) => tf.where(a.greater(0), a, tf.zerosLike(a)),
    'minimum, maximum, clip': (a) => a.minimum(2).maximum(-1).clipByValue(-0.5, 1),
    reductions: (a) => tf.stack([a.sum(), a.mean(), a.max(), a.min(), a.prod(), a.argMax(1).sum().cast('float32')]),
    'a pad and a slice between transposes there and back': (a) => {
      const there = (value: Tensor): Tensor => value.reshape([1, 3, 2]).transpose([1, 2, 0])
      const back = (value: Tensor): Tensor => value.transpose([2, 0, 1])
      const padding: [number, number][] = [
        [1, 0],
        [0, 2],
        [1, 1],
      ]
      return back(there(a).pad(padding, 7).slice([1, 0, 1], [2, 3, 2]))
    },
    'a pad and a slice, each between transposes there and back': (a) => {
      const three = a.reshape([1, 3, 2])
      const padded = tf
        .pad(
          three.transpose([1, 2, 0]),
          [
            [1, 0],
            [0, 2],
            [1, 1],
          ],
          7,
        )
        .transpose([2, 0, 1])
      return tf.slice(padded.transpose([2, 0, 1]), [0, 1, 1], [2, 2, 3]).transpose([1, 2, 0])
    },
    'a pad between transposes that do not undo each other': (a) =>
      tf
        .pad(a.reshape([1, 3, 2]).transpose([1, 2, 0]), [
          [1, 0],
          [0, 2],
          [1, 1],
        ])
        .transpose([1, 2, 0]),
    'axes and shapes': (a) => a.expandDims(0).transpose([2, 0, 1]).reshape([3, 2]).reverse(0).tile([2, 1]),
    'slices and joins': (a) =>
      tf.concat(
        [
          a.slice([0, 1], [2, 2]),
          a
            .pad([
              [0, 0],
              [0, 0],
            ])
            .split(3, 1)[0]!,
        ],
        1,
      ),
    'gather and one-hot': (a) => a.gather(tf.tensor1d([1, 0], 'int32')).add(tf.oneHot(tf.tensor1d([0, 2], 'int32'), 3)),
    'cumulative sums': (a) => a.cumsum(1),
    'matrix product': (a) => tf.matMul(a, a, false, true),
    convolution: (_, b) => tf.conv2d(b, tf.ones([3, 3, 3, 4]), 2, 'same'),
    'depthwise convolution': (_, b) => tf.depthwiseConv2d(b, tf.ones([3, 3, 3, 1]), 1, 'valid'),
    pooling: (_, b) => tf.concat([tf.maxPool(b, 2, 2, 'valid'), tf.avgPool(b, 2, 2, 'valid')], 3),
    resizing: (_, b) => tf.image.resizeBilinear(b, [4, 4]),
    'batch norm': (_, b) => tf.batchNorm(b, tf.tensor1d([0, 0, 0]), tf.tensor1d([1, 1, 1])),
    'gradient of a convolution': (_, b) =>
      tf.grad((kernel: Tensor) =>
        tf
          .conv2d(b, kernel as Tensor4D, 1, 'same')
          .square()
          .sum(),
      )(tf.ones([3, 3, 3, 2])),
    'seeded random numbers': (a) => a.add(tf.randomUniform([2, 3], 0, 1, 'float32', 5)),
  }
  for (const [name, fn] of Object.entries(cases)) {
    it(name, () => {
      const captured = capture(fn, [matrix, images])
      assert.deepEqual(bitsOf(captured(matrix, images)), bitsOf(fn(matrix, images)))
      captured.dispose()
    })
  }
})

describe('captured softmax', () => {
  it('differs from the eager one in the last bit at most, because its kernel differs', () => {
    const captured = capture((a: Tensor2D) => a.softmax(), [matrix])
    const [graph, eager] = [captured(matrix).dataSync(), matrix.softmax().dataSync()]
    graph.forEach((value, index) => {
      assert.ok(Math.abs(value / eager[index]! - 1) < 2 ** -22)
    })
    captured.dispose()
  })
})

describe('capture rejects code that a graph cannot repeat, with the op and the line', () => {
  const rejects = (fn: (input: Tensor) => Tensor, message: RegExp): void => {
    const before = tf.memory().numTensors
    assert.throws(
      () => capture(fn, [x]),
      (error: ConvoyError) => {
        assert.equal(error.code, 'usage')
        assert.match(error.message, message)
        assert.match(error.message, /capture\.test\.\w+:\d+:\d+\)\.$/)
        return true
      },
    )
    assert.equal(tf.memory().numTensors, before)
    assert.deepEqual([...x.mul(1).dataSync()], [1, 2, 3], 'eager mode still works')
    tf.disposeVariables()
  }

  it('functions that return other values than tensors, or a promise', () => {
    for (const odd of [() => [], () => 5, async () => x, () => ({ x, five: 5 })]) {
      assert.throws(() => capture(odd as unknown as () => Tensor, []), /return a tensor.*may not be async/)
    }
  })
  it('reading values', () => {
    rejects((input) => input.mul(input.dataSync()[0]!), /reads the value/)
  })
  it('reading values that are not uploaded yet', () => {
    const fresh = tf.tensor1d([1, 2, 3])
    assert.throws(() => capture((input: Tensor) => input.mul(fresh.dataSync()[0]!), [x]), /reads the value/)
    fresh.dispose()
  })
  it('random ops without a key', () => {
    rejects((input) => input.add(tf.multinomial(tf.tensor1d([0.5, 0.5]), 3, 5).cast('float32')), /Multinomial/)
  })
  it("JavaScript's own random numbers", () => {
    rejects((input) => tf.dropout(input, 0.5), /Math\.random/)
    rejects((input) => input.add(tf.randomNormal([3])), /Math\.random/)
    const generator: { random: () => number } = Math
    assert.ok(generator.random() < 1)
  })
  it('tensors created outside the function, uploaded or not', () => {
    const [uploaded, waiting] = [x.mul(2), tf.tensor1d([4, 5, 6])]
    rejects((input) => tf.mul(input, uploaded), /from outside/)
    const still = tf.tensor1d([4, 5, 6])
    rejects((input) => tf.mul(input, still), /from outside/)
    tf.dispose([uploaded, waiting, still])
  })
})

describe('memory of captured functions', () => {
  it('is constant over 10,000 runs, and dispose releases everything', () => {
    const before = tf.memory().numTensors
    const { binding } = tf.backend() as unknown as { binding: { getNumOfSavedModels(): number } }
    const sessions = binding.getNumOfSavedModels()
    const fn = capture(
      (input: Tensor4D) =>
        tf
          .conv2d(input, tf.ones([3, 3, 3, 8]), 1, 'same')
          .relu()
          .sum(),
      [images],
    )
    const run = (times: number): void => {
      for (let index = 0; index < times; index++) fn(images).dispose()
    }
    const growthOf = (times: number): number => {
      const residentBytes = process.memoryUsage.rss()
      run(times)
      return process.memoryUsage.rss() - residentBytes
    }
    // A leak grows in every round, garbage of JavaScript only in some. One leaked image batch per run would
    // be 8.6 MB, one leaked kilobyte 10 MB.
    const growths = Array.from({ length: 5 }, () => growthOf(10_000))
    assert.ok(Math.min(...growths) < 5e6, `grew by ${growths.join(', ')} bytes in rounds of 10,000 runs`)
    fn.dispose()
    assert.equal(binding.getNumOfSavedModels(), sessions)
    assert.equal(tf.memory().numTensors, before)
  })
})

describe('mixed precision', () => {
  const FLOAT32 = 1
  const BFLOAT16 = 14
  const float = { T: { type: FLOAT32 } }
  const op = (name: string, inputs: GraphNode[]): GraphNode => ({
    op: name,
    inputs: inputs.map((node) => ({ node, index: 0 })),
    attributes: float,
    outputTypes: [FLOAT32],
    outputShapes: [inputs[0]!.outputShapes[0]!],
  })

  it('casts only at the borders, without redundant casts', () => {
    const [image, kernel] = [placeholder(FLOAT32, [1, 8, 8, 3]), placeholder(FLOAT32, [3, 3, 3, 3])]
    const first = op('Conv2D', [image, kernel])
    const relu = op('Relu', [first])
    const second = op('Conv2D', [relu, kernel])
    const sum = op('AddV2', [second, image])
    const mean = op('Mean', [sum])
    const graph: Graph = {
      inputs: [image, kernel],
      nodes: [image, kernel, first, relu, second, sum, mean],
      outputs: [
        { node: mean, index: 0 },
        { node: sum, index: 0 },
      ],
    }
    const lowered = toBfloat16(graph)
    assert.deepEqual(
      lowered.nodes.map((node) => `${node.op} ${node.outputTypes[0]}`),
      [
        ...['Placeholder 1', 'Placeholder 1', 'Cast 14', 'Cast 14', 'Conv2D 14', 'Relu 14', 'Conv2D 14', 'AddV2 14'],
        ...['Cast 1', 'Mean 1'],
      ],
    )
    assert.deepEqual(lowered.outputs.map(typeOf), [FLOAT32, FLOAT32])
    for (const node of lowered.nodes.filter(({ op: name }) => name === 'Cast')) {
      assert.notEqual(node.inputs[0]!.node.op, 'Cast')
    }
  })

  it('lowers only convolutions and ops that move or add their values', () => {
    const image = placeholder(FLOAT32, [2, 2])
    const first = op('Conv2D', [image, image])
    const ops = [
      ...['Conv2D', 'Conv2DBackpropInput', 'Conv2DBackpropFilter', 'Relu', 'ReluGrad', 'Add', 'AddV2', 'AddN'],
      ...['Identity', 'Reshape', 'Transpose', 'PadV2', 'Slice', 'AvgPool', 'AvgPoolGrad'],
      ...['FusedBatchNormV3', 'FusedBatchNormGradV3'],
    ]
    const others = ['MatMul', 'Mean', 'Sum', 'Mul', 'Softmax', 'SoftmaxCrossEntropyWithLogits', 'ConcatV2', 'Select']
    const nodes = [...ops, ...others, 'ImageProjectiveTransformV3'].map((name) => op(name, [first, first, first]))
    const outputs = nodes.map((node) => ({ node, index: 0 }))
    const lowered = toBfloat16({ inputs: [image], nodes: [image, first, ...nodes], outputs })
    const isLow = (node: GraphNode): boolean => node.outputTypes[0] === BFLOAT16 && node.op !== 'Cast'
    assert.deepEqual([...new Set(lowered.nodes.filter(isLow).map((node) => node.op))], ops)
    assert.deepEqual([...new Set(lowered.outputs.map(typeOf))], [FLOAT32])
  })

  it('leaves a graph without convolutions unchanged', () => {
    const input = placeholder(FLOAT32, [3])
    const relu = op('Relu', [input])
    const lowered = toBfloat16({ inputs: [input], nodes: [input, relu], outputs: [{ node: relu, index: 0 }] })
    assert.ok(lowered.nodes.every(({ outputTypes }) => !outputTypes.includes(BFLOAT16)))
  })

  for (const [stride, side, channels] of [
    [1, 8, 256],
    [2, 8, 256],
    [2, 7, 256],
    [1, 4, 32],
  ] as const) {
    it(`computes the gradient of ${channels} x ${channels} channels at ${side} x ${side}, stride ${stride}, to the same precision`, () => {
      const outSide = Math.ceil(side / stride)
      const random = (shape: [number, number, number, number], seed: number): Tensor4D =>
        tf.randomUniform(shape, -1, 1, 'float32', seed)
      const [x, kernel] = [random([3, side, side, channels], 1), random([3, 3, channels, channels], 2)]
      const dy = random([3, outSide, outSide, channels], 3)
      const fn = (image: Tensor4D, weights: Tensor4D, gradient: Tensor4D): Tensor =>
        tf.grad((filter) =>
          tf
            .conv2d(image, filter as Tensor4D, stride, 'same')
            .mul(gradient)
            .sum(),
        )(weights)
      const exact = capture(fn, [x, kernel, dy])
      const low = capture(fn, [x, kernel, dy], { precision: 'bfloat16' })
      // Nine products, each with its slice and its reshapes, or the one op with its casts.
      assert.equal(low.nodeCount > exact.nodeCount + 9, channels === 256)
      const [a, b] = [exact(x, kernel, dy), low(x, kernel, dy)]
      assert.deepEqual(b.shape, a.shape)
      const scale = tf.max(tf.abs(a)).dataSync()[0]!
      const worst = tf.max(tf.abs(tf.sub(a, b))).dataSync()[0]!
      assert.ok(worst > 0 && worst < 0.01 * scale, `${worst} of ${scale}`)
      exact.dispose()
      low.dispose()
    })
  }

  it('agrees with float32 to the precision of bfloat16', () => {
    const kernel = tf.ones([3, 3, 3, 4]).mul(0.1) as Tensor4D
    const fn = (input: Tensor4D, weights: Tensor4D): Tensor => tf.conv2d(input, weights, 1, 'same').relu().mean([1, 2])
    const exact = capture(fn, [images, kernel])
    const low = capture(fn, [images, kernel], { precision: 'bfloat16' })
    const [a, b] = [exact(images, kernel).dataSync(), low(images, kernel).dataSync()]
    assert.notDeepEqual(a, b)
    a.forEach((value, index) => {
      assert.ok(Math.abs(value - b[index]!) <= 0.01 * Math.abs(value), `${value} and ${b[index]}`)
    })
    exact.dispose()
    low.dispose()
  })
})
