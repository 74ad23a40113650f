import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Admission } from '../../../src/coordinator/admission.js'
import { PROTOCOL_VERSION } from '../../../src/shared/protocol/messages.js'

const request = (fingerprint: string, protocol = PROTOCOL_VERSION) => ({
  ...{ protocol, name: 'a', incarnation: 'i', host: 'h' },
  device: { kind: 'cpu', name: 'a CPU', tensorflowVersion: '2', fingerprint },
})

describe('admission of a device', () => {
  it('accepts another fingerprint until the first result counts, and rejects it afterwards', () => {
    const admission = new Admission(false)
    const [first, second] = [request('f'), request('g')].map((one) => admission.check(one).device)
    assert.equal(admission.counted(second!), true)
    assert.equal(admission.counted(first!), false)
    assert.deepEqual([admission.computesAlike(first!), admission.computesAlike(second!)], [false, true])
    assert.throws(() => admission.check(request('f')), /whose bits may differ.*--allow-mixed-devices/)
    assert.equal(admission.check(request('g')).name, 'a')
    const mixed = new Admission(true)
    mixed.counted(second!)
    assert.ok(mixed.computesAlike(first!))
  })

  it('rejects an older or a newer version of the protocol', () => {
    for (const protocol of [PROTOCOL_VERSION - 1, PROTOCOL_VERSION + 1])
      assert.throws(() => new Admission(true).check(request('f', protocol)), /run the same version of Convoy/)
  })
})
