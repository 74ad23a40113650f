import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { describeStatus } from '../../../src/cli/commands/status.js'
import { statusReply } from '../../../src/coordinator/status-reply.js'
import { RunProgress } from '../../../src/reporting/run-progress.js'
import { runStatus } from '../../../src/reporting/run-status.js'
import { repliesLike } from '../../../src/shared/protocol/checksum.js'
import type { StatusReply } from '../../../src/shared/protocol/messages.js'
import { Admin } from '../../../src/shared/protocol/services.js'
import { TinyProblem } from '../../../src/simulation/tiny-problem.js'

const { description } = new TinyProblem(1, 1)

/** The reply of a coordinator as `convoy status` receives it. */
function received(progress: RunProgress): StatusReply {
  const status = Admin.service['Status']!
  const request = status.requestDeserialize(status.requestSerialize({})) as object
  const reply = statusReply(progress.summary, 'runs/x', [])
  return status.responseDeserialize(status.responseSerialize(repliesLike(request, { ...reply }))) as StatusReply
}

describe('the newest checkpoint and the step journal', () => {
  it('are the same in convoy status and on the page', () => {
    let wallSeconds = 1_000
    const progress = new RunProgress(() => wallSeconds)
    progress.journal = 'on'
    progress.checkpointed(100, 1_000)
    progress.checkpointed(120, 1_010)
    wallSeconds = 1_075
    const reply = received(progress)
    assert.deepEqual(reply.checkpoint, { step: 120, ageSeconds: 65 })
    assert.equal(reply.journal, 'on')
    assert.match(describeStatus(reply), /^checkpoint of step 120, 1 min 05 s ago; step journal on$/m)
    const page = runStatus(
      {
        ...{ description, progress: () => progress.summary, weights: () => new Float32Array(0) },
        ...{ workers: () => [], workerPhases: () => [], traffic: () => [] },
      },
      [],
      wallSeconds,
    )
    assert.deepEqual([page.checkpoint, page.journal], [{ step: 120, ageSeconds: 65 }, 'on'])
    // A clock that was set back.
    wallSeconds = 900
    assert.equal(received(progress).checkpoint!.ageSeconds, 0)
  })

  it('are absent and off without checkpoints, and failed when the journal cannot be written', () => {
    const progress = new RunProgress()
    const reply = received(progress)
    assert.deepEqual([reply.checkpoint, reply.journal], [null, 'off'])
    assert.match(describeStatus(reply), /^no checkpoint; step journal off$/m)
    progress.journal = 'failed'
    assert.match(describeStatus(received(progress)), /step journal failed$/m)
  })

  it('are not in the status of a coordinator of an earlier version', () => {
    const text = describeStatus({ ...received(new RunProgress()), journal: '' })
    assert.doesNotMatch(text, /checkpoint|journal/)
  })
})
