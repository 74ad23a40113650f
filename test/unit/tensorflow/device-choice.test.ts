import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { checkDevice, chooseGpus, hideGpus } from '../../../src/tensorflow/runtime/device-choice.js'
import { parseGpus, surveyGpus, visibleGpus } from '../../../src/tensorflow/runtime/gpus.js'
import { findRuntime } from '../../../src/tensorflow/runtime/runtime-directory.js'
import { killLaunches, Launch } from '../../support/launch.js'

const directory = mkdtempSync(path.join(os.tmpdir(), 'convoy-gpu-'))
const H200 = '0, NVIDIA H200, 570.86.15, 9.0, 143771'
const A10G = '1, NVIDIA A10G, 570.86.15, 8.6, 23028'

/** PATH with an `nvidia-smi` that prints `text`, because one machine does not have drivers of every kind. */
function pathWithDriver(text: string, status = 0): string {
  const program = path.join(directory, 'nvidia-smi')
  writeFileSync(program, `#!/bin/sh\ncat <<'END'\n${text}\nEND\nexit ${status}\n`)
  chmodSync(program, 0o755)
  return `${directory}:${process.env['PATH']}`
}

function withPath<T>(searchPath: string, action: () => T): T {
  const before = process.env['PATH']
  process.env['PATH'] = searchPath
  try {
    return action()
  } finally {
    process.env['PATH'] = before
  }
}

after(() => {
  killLaunches()
  rmSync(directory, { recursive: true })
})

describe('GPUs', () => {
  it('are parsed from the output of nvidia-smi for several, none and unusual ones', () => {
    assert.deepEqual(parseGpus(`${H200}\n${A10G}\n`), [
      { index: 0, name: 'NVIDIA H200', driver: '570.86.15', computeCapability: 9, memoryBytes: 143_771 * 2 ** 20 },
      { index: 1, name: 'NVIDIA A10G', driver: '570.86.15', computeCapability: 8.6, memoryBytes: 23_028 * 2 ** 20 },
    ])
    assert.deepEqual(parseGpus('No devices were found\n'), [])
    assert.equal(parseGpus('0, Tesla, 470.1, [N/A], [N/A]')[0]!.computeCapability, 0)
  })

  it('are selected and ordered by CUDA_VISIBLE_DEVICES', () => {
    const survey = { gpus: parseGpus(`${H200}\n${A10G}`) }
    assert.deepEqual(visibleGpus(survey, {}), ['0', '1'])
    assert.deepEqual(visibleGpus(survey, { CUDA_VISIBLE_DEVICES: '1,0' }), ['1', '0'])
    assert.deepEqual(visibleGpus(survey, { CUDA_VISIBLE_DEVICES: 'GPU-1234' }), ['GPU-1234'])
    for (const hidden of ['', '-1', '7', '-1,0']) {
      assert.deepEqual(visibleGpus(survey, { CUDA_VISIBLE_DEVICES: hidden }), [], hidden)
    }
    assert.deepEqual(visibleGpus({ gpus: [] }, { CUDA_VISIBLE_DEVICES: '0' }), [])
  })

  it('are used by auto where present, never by cpu', () => {
    withPath(pathWithDriver(`${H200}\n${A10G}`), () => {
      assert.deepEqual(chooseGpus('auto', {}), ['0', '1'])
      assert.deepEqual(chooseGpus('gpu', {}), ['0', '1'])
      assert.deepEqual(chooseGpus('cpu', {}), [])
    })
    const environment: NodeJS.ProcessEnv = {}
    hideGpus('gpu', environment)
    assert.deepEqual(environment, {})
    hideGpus('cpu', environment)
    assert.deepEqual(environment, { CUDA_VISIBLE_DEVICES: '-1' })
  })
})

describe('--device gpu gives an error with the exact reason when the GPU cannot be used', () => {
  const reasons: [string, string, number, NodeJS.ProcessEnv, 'cpu' | 'gpu', RegExp][] = [
    ['no device', 'No devices were found', 6, {}, 'gpu', /shows none \(nvidia-smi: No devices were found\)/],
    ['broken driver', 'Driver/library version mismatch', 18, {}, 'gpu', /shows none .*version mismatch/],
    [
      'hidden',
      H200,
      0,
      { CUDA_VISIBLE_DEVICES: '3' },
      'gpu',
      /CUDA_VISIBLE_DEVICES is "3", which leaves none of the 1/,
    ],
    ['runtime for CPUs', H200, 0, {}, 'cpu', /CPU edition and cannot use NVIDIA H200; .*runtime install --gpu/],
    [
      'old driver',
      '0, NVIDIA A10G, 470.199.02, 8.6, 23028',
      0,
      {},
      'gpu',
      /driver is 470\.199\.02.*525\.60\.13 or newer/,
    ],
    [
      'old GPU',
      '0, Quadro M4000, 570.86.15, 5.2, 8192',
      0,
      {},
      'gpu',
      /M4000 has compute capability 5\.2.*6\.0 and newer/,
    ],
    ['CUDA that does not load', H200, 0, {}, 'gpu', /could not load CUDA for NVIDIA H200; TF_CPP_MIN_LOG_LEVEL=0/],
  ]
  for (const [name, printed, status, environment, runtime, message] of reasons) {
    it(name, () => {
      withPath(pathWithDriver(printed, status), () => {
        assert.throws(() => {
          checkDevice('gpu', false, runtime, environment)
        }, message)
      })
    })
  }

  it('no driver', () => {
    withPath('/nonexistent', () => {
      assert.throws(() => chooseGpus('gpu'), /no NVIDIA driver \(nvidia-smi is not found\).*--device cpu/)
      assert.deepEqual(chooseGpus('auto'), [])
    })
  })

  it('and auto does not silently skip a GPU that is present', () => {
    withPath(pathWithDriver(H200), () => {
      assert.throws(() => {
        checkDevice('auto', false, 'cpu', {})
      }, /CPU edition/)
      checkDevice('auto', true, 'gpu', {})
      checkDevice('cpu', false, 'cpu', {})
    })
    withPath('/nonexistent', () => {
      checkDevice('auto', false, 'gpu', {})
    })
  })
})

describe('device choice on this machine', () => {
  const noGpu = surveyGpus().gpus.length === 0
  const skip = !noGpu && 'it has a GPU'

  it('convoy train --device gpu ends at once with the reason', { skip }, async () => {
    const launch = new Launch(['train', '--recipe', 'quick', '--max-steps', '1', '--device', 'gpu'])
    assert.equal(await launch.status(), 1)
    assert.match(launch.stderr, /✖ No GPU can be used: .*nvidia-smi/)
  })

  const cpuRuntime = findRuntime()?.kind === 'cpu'
  it(
    'a GPU with TensorFlow for CPUs ends the run, without waiting for workers',
    { skip: skip || (!cpuRuntime && 'TensorFlow for GPUs is installed') },
    async () => {
      const launch = new Launch(['train', '--recipe', 'quick', '--max-steps', '1'], { PATH: pathWithDriver(H200) })
      assert.equal(await launch.status(), 1)
      const cause = 'No GPU can be used: the installed TensorFlow is the CPU edition and cannot use '
      assert.match(launch.stderr, new RegExp(`✖ First: .* Worker 0 ended with status 1 \\(${cause}.* \\(3 times\\)\n`))
      assert.match(launch.stderr, new RegExp(`then: No worker is left: ${cause}`))
    },
  )

  it('an unknown device is a usage error', async () => {
    const launch = new Launch(['worker', '--join', '127.0.0.1:1', '--device', 'tpu'])
    assert.equal(await launch.status(), 2)
    assert.match(launch.stderr, /--device.*auto, cpu, gpu/)
  })
})
