import type { Mutation } from './mutation.js'

const WRITE = 'durability/write-checkpoint.js'
const RUN = 'durability/durable-run.js'
const CHECKPOINTS = 'durability/checkpoints.js'
const RESTORE = 'durability/restore-state.js'
const SEGMENT = 'durability/segment-writer.js'

/** Faults in what keeps a run on disk: `npm run mutation-test` plants each of them, and the simulation must catch it. */
export const STORAGE_MUTATIONS: readonly Mutation[] = [
  {
    name: 'the files of a checkpoint are not synced',
    file: WRITE,
    find: 'bytes += part.length;\n        }\n        disk.fsyncSync(descriptor);',
    replace: 'bytes += part.length;\n        }',
  },
  {
    name: 'the names of the files of a checkpoint are not synced',
    file: WRITE,
    find: 'syncDirectory(staging, disk);',
    replace: '',
  },
  {
    name: 'the name of a checkpoint is not synced',
    file: WRITE,
    find: 'syncDirectory(root, disk);',
    replace: '',
  },
  {
    name: 'the names of the directories of checkpoints and journal are not synced',
    file: WRITE,
    find: 'syncDirectory(path.dirname(directory), disk);',
    replace: '',
  },
  {
    name: 'a checkpoint is removed before another one replaces it',
    file: WRITE,
    find: 'disk.renameSync(target, aside);',
    replace: 'disk.rmSync(target, { recursive: true, force: true });',
  },
  {
    name: 'the journal does not begin again with a checkpoint',
    file: RUN,
    find: 'await this.#journal?.cut(state);',
    replace: '',
  },
  {
    name: 'the first step does not wait for the first checkpoint',
    file: RUN,
    find: 'await this.#checkpoint(state);\n        await this.#writing;\n    }\n    /** Copies',
    replace: 'await this.#checkpoint(state);\n    }\n    /** Copies',
  },
  {
    name: 'steps after a gap in the journal are announced',
    file: RUN,
    find: 'this.#gaps === this.#closedGaps',
    replace: 'true',
  },
  {
    name: 'the newest checkpoint is not kept',
    file: CHECKPOINTS,
    find: 'index < keep ||',
    replace: 'index < keep - 1 ||',
  },
  {
    name: 'a run ends without its last checkpoint',
    file: RUN,
    find: 'await this.checkpointNow(state);',
    replace: '',
  },
  {
    name: 'the journal is removed though the last checkpoint has failed',
    file: RUN,
    find: 'if (!this.isOn || this.#failedMs !== undefined)',
    replace: 'if (!this.isOn)',
  },
  {
    name: 'the journal of a run that has ended stays',
    file: RUN,
    find: 'removeJournal(this.#options.runDirectory, this.#disk);',
    replace: '',
  },
  {
    name: 'frames of the journal are not synced',
    file: SEGMENT,
    find: 'await this.#handle.datasync();',
    replace: ';',
  },
  {
    name: 'the name of a segment of the journal is not synced',
    file: SEGMENT,
    find: 'syncDirectory(path.dirname(file), disk);',
    replace: '',
  },
  {
    name: 'a run with a synced journal goes on with frames that may not be on the disk',
    file: RUN,
    find: "hasChanged || this.#options.journal === 'sync'",
    replace: 'hasChanged',
  },
  {
    name: 'a run goes on from a checkpoint whose name may not be on the disk',
    file: RESTORE,
    find: 'syncDirectory(checkpointsIn(runDirectory), disk);',
    replace: '',
  },
  {
    name: 'what a killed coordinator left unfinished stays',
    file: RESTORE,
    find: 'removeUnfinished(runDirectory, disk);',
    replace: '',
  },
  {
    name: 'a run goes on from its oldest checkpoint',
    file: CHECKPOINTS,
    find: 'b.step - a.step',
    replace: 'a.step - b.step',
  },
  {
    name: 'the journal is not replayed',
    file: RESTORE,
    find: '...replayJournal(state, listSegments(runDirectory, options.disk), options)',
    replace: 'events: [], end: undefined',
  },
  {
    name: 'a step is applied before it is in the journal',
    file: 'training/trainer.js',
    find: 'await this.#hooks.onReduced?.(',
    replace: 'void this.#hooks.onReduced?.(',
  },
]
