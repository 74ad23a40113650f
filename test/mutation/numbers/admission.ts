import type { NumberMutation } from '../mutation.js'

const ADMITTED = { file: 'coordinator/admission.js', tests: ['unit/coordinator/admission'] }
const CHUNKS = { file: 'shared/protocol/chunks.js', tests: ['unit/shared/protocol-chunks'] }

/** Admission of workers, and validation of received vectors. */
export const ADMISSION: readonly NumberMutation[] = [
  {
    ...ADMITTED,
    tests: ['unit/coordinator/session-secret'],
    name: 'a secret with a wrong last byte is accepted',
    find: 'timingSafeEqual(given, own)',
    replace: 'timingSafeEqual(given.subarray(0, -1), own.subarray(0, -1))',
  },
  {
    ...ADMITTED,
    tests: ['unit/coordinator/session-secret'],
    name: 'the beginning of a secret is accepted',
    find: 'given.length === own.length && timingSafeEqual(given, own)',
    replace: 'given.equals(own.subarray(0, given.length))',
  },
  {
    ...ADMITTED,
    name: 'a worker of an older protocol is admitted',
    find: 'request.protocol !== PROTOCOL_VERSION',
    replace: 'request.protocol > PROTOCOL_VERSION',
  },
  {
    ...ADMITTED,
    name: 'a device with other bits is admitted',
    find: '|| this.#fingerprint === fingerprint;',
    replace: '|| true;',
  },
  {
    ...ADMITTED,
    name: 'the last device that counts decides the bits of the run',
    find: 'if (this.#fingerprint !== undefined)\n            return false;',
    replace: '',
  },
  {
    file: 'coordinator/services/caller.js',
    tests: ['unit/coordinator/services'],
    name: 'a caller needs no secret',
    find: '!connections.authenticate(worker, session)',
    replace: 'false',
  },
  {
    file: 'coordinator/read-heartbeat.js',
    tests: ['unit/metrics/metrics'],
    name: 'negative numbers of a heartbeat are accepted',
    find: 'Number.isFinite(number) && number >= 0',
    replace: 'Number.isFinite(number)',
  },
  {
    ...CHUNKS,
    name: 'chunks with a flipped bit are accepted',
    find: 'if (crc !== chunk.crc32) {',
    replace: 'if (false) {',
  },
  {
    ...CHUNKS,
    file: 'shared/protocol/chunk-message.js',
    name: 'the checksum of a chunk omits its position',
    find: 'Float64Array.of(id, offset, total, Number(shared))',
    replace: 'Float64Array.of(id, 0, total, Number(shared))',
  },
  {
    ...CHUNKS,
    name: 'a vector that is too short is accepted',
    find: 'first.total !== bytes.length',
    replace: 'first.total > bytes.length',
  },
  {
    ...CHUNKS,
    name: 'chunks are accepted in any order',
    find: 'chunk.offset !== this.#received ||',
    replace: '',
  },
]
