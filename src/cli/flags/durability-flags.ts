import type { Command } from 'commander'
import { Option } from 'commander'
import { z } from 'zod'
import type { CheckpointEvery } from '../../durability/checkpoint-policy.js'
import { parseCheckpointEvery } from '../../durability/checkpoint-policy.js'
import { JOURNAL_MODES } from '../../durability/journal.js'

/** For a transform of zod. */
function everyFrom(text: string, context: z.core.$RefinementCtx): CheckpointEvery {
  try {
    return parseCheckpointEvery(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: (error as Error).message })
    return z.NEVER
  }
}

const DISK_FAULT_POLICIES = ['continue', 'pause'] as const
const SAVE_MODELS = ['epoch', 'end'] as const

/** Values of the flags that say how a run is kept on disk, and which one goes on. */
export const durabilityShape = {
  resume: z.union([z.string().min(1), z.literal(true)]).optional(),
  autoResume: z.boolean().default(false),
  fork: z.string().min(1).optional(),
  checkpointEvery: z.string().default('5m').transform(everyFrom),
  keepCheckpoints: z.coerce.number().int().min(1).max(1_000).default(3),
  saveModels: z.enum(SAVE_MODELS).default('epoch'),
  journal: z.enum(JOURNAL_MODES).optional(),
  onDiskFault: z.enum(DISK_FAULT_POLICIES).default('continue'),
  grace: z.coerce.number().min(1).max(86_400).default(25),
}

/** Adds those flags. */
export function addDurabilityFlags(command: Command): Command {
  return command
    .option(
      '--resume [run or checkpoint]',
      'go on with a run whose coordinator ended (default: the newest one under --runs-dir that was interrupted)',
    )
    .option(
      '--auto-resume',
      'go on with the newest run of the same name and settings if it was interrupted; otherwise begin one. For services that are restarted',
    )
    .option('--fork <run or checkpoint>', 'begin a new run with the weights of a checkpoint, and with any settings')
    .option(
      '--checkpoint-every <interval>',
      'a time such as 5m, a number of steps such as "500 steps", epoch, or off (default: 5m)',
    )
    .option(
      '--keep-checkpoints <number>',
      'how many of the newest checkpoints stay; that of the best weights stays too (default: 3)',
    )
    .addOption(
      new Option(
        '--save-models <when>',
        'model/best and model/last: after each epoch, or once at the end of the run, which short epochs gain from; checkpoints have the weights meanwhile',
      )
        .choices(SAVE_MODELS)
        .default('epoch'),
    )
    .addOption(
      new Option(
        '--journal <mode>',
        'step journal: off, on (a coordinator that dies loses no step) or sync (nor does a machine that crashes); default: on, off for networks above 64 MiB',
      ).choices(JOURNAL_MODES),
    )
    .addOption(
      new Option(
        '--on-disk-fault <policy>',
        'what a run does while checkpoints or journal cannot be written: continue without them, or pause until they can',
      )
        .choices(DISK_FAULT_POLICIES)
        .default('continue'),
    )
    .option('--grace <seconds>', 'how long a run may take to end after SIGTERM or Ctrl-C (default: 25)')
}
