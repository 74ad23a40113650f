import type { Dashboard } from '../panels.js'
import { currentState, lines, number, stateTimeline } from '../panels.js'
import { rate, value } from '../queries.js'
import { RUN_STATE } from '../states.js'

const CHECKPOINT_AGE = `time() - ${value('checkpoint_timestamp_seconds')}`

export const OVERVIEW: Dashboard = {
  id: 'convoy-overview',
  title: 'Convoy: overview',
  description: 'Does the run make progress, does it learn, and what went wrong?',
  hasWorkers: false,
  rows: [
    {
      title: 'Run',
      panels: [
        currentState(
          {
            title: 'State',
            description: 'Current state of the run. A long wait (no workers) and failed are bad.',
            unit: 'none',
          },
          RUN_STATE,
        ),
        {
          kind: 'label',
          title: 'Settings',
          description: 'Recipe, network, data set, precision, seed and version of Convoy.',
          unit: 'none',
          width: 8,
          queries: [
            {
              expr: value('run_info'),
              legend: '({{recipe}}): {{network}} on {{dataset}}, {{precision}}, seed {{seed}}, Convoy {{version}}',
            },
          ],
        },
        number(
          { title: 'Progress', description: 'Share of the planned steps that are done.', unit: 'percentunit' },
          `${value('step')} / ${value('planned_steps')}`,
        ),
        number(
          {
            title: 'Time left',
            description: 'Time for the steps that are left at the current rate, without evaluations.',
            unit: 's',
          },
          value('seconds_left'),
        ),
        number({ title: 'Workers', description: 'Workers taking part now; 0 is bad.', unit: 'none' }, value('workers')),
        number({ title: 'Step', description: 'Steps applied so far.', unit: 'none' }, value('step')),
        number({ title: 'Epoch', description: 'Epochs done so far.', unit: 'none' }, value('epoch')),
        number(
          {
            title: 'Throughput',
            description: 'Training images per second. Far below the result of convoy bench for as many workers is bad.',
            unit: 'img/s',
          },
          value('samples_per_second'),
        ),
        number(
          {
            title: 'Validation accuracy',
            description: 'Validation accuracy at the last evaluation.',
            unit: 'percentunit',
          },
          value('evaluation_accuracy_ratio', 'split="validation"'),
        ),
        number(
          { title: 'Model saved', description: 'Time at which a model was last saved.', unit: 'dateTimeAsIso' },
          `${value('saved_model_timestamp_seconds')} * 1000`,
        ),
        number(
          { title: 'Model size', description: 'Size of the last saved model.', unit: 'bytes' },
          value('saved_model_bytes'),
        ),
        stateTimeline(
          {
            title: 'States of the runs',
            description: 'A row for each run. A long wait (no workers) and failed are bad.',
            unit: 'none',
          },
          RUN_STATE,
          '',
        ),
      ],
    },
    {
      title: 'Learning',
      panels: [
        lines(
          {
            title: 'Loss',
            description:
              'Loss of each batch and each evaluation; test is of the best weights. A long rise is bad. Validation loss that rises while ' +
              'batch loss falls is overfitting.',
            unit: 'none',
          },
          { expr: value('loss'), legend: 'batch' },
          { expr: value('evaluation_loss'), legend: '{{split}}' },
        ),
        lines(
          {
            title: 'Accuracy',
            description:
              'Accuracy of each batch and each evaluation; test is of the best weights. No better than chance is bad.',
            unit: 'percentunit',
          },
          { expr: value('accuracy_ratio'), legend: 'batch' },
          { expr: value('evaluation_accuracy_ratio'), legend: '{{split}}' },
        ),
        lines(
          { title: 'Learning rate', description: 'Learning rate of each step.', unit: 'none' },
          { expr: value('learning_rate'), legend: '' },
        ),
        lines(
          {
            title: 'Gradient norm',
            description:
              'L2 norm before clipping. A jump by orders of magnitude is bad: lower the learning rate, or clip.',
            unit: 'none',
          },
          { expr: value('gradient_norm'), legend: '' },
        ),
        lines(
          {
            title: 'Throughput',
            description: 'Training images per second. A drop while no worker left is bad.',
            unit: 'img/s',
          },
          { expr: rate('samples'), legend: '' },
        ),
        lines(
          { title: 'Evaluation', description: 'Duration of the last evaluation.', unit: 's' },
          { expr: value('evaluation_duration_seconds'), legend: '{{split}}' },
        ),
      ],
    },
    {
      title: 'Checkpoints and step journal',
      panels: [
        number(
          {
            title: 'Checkpoint',
            description: 'Steps in the newest checkpoint; 0 is that before the first step.',
            unit: 'none',
          },
          value('checkpoint_step'),
        ),
        number(
          {
            title: 'Checkpoint age',
            description: 'Time since the newest checkpoint. More than three intervals of a run that trains are bad.',
            unit: 's',
          },
          CHECKPOINT_AGE,
        ),
        number(
          {
            title: 'Checkpoint interval',
            description: 'Time between checkpoints (--checkpoint-every); no data when it is not a time.',
            unit: 's',
          },
          value('checkpoint_interval_seconds'),
        ),
        number(
          { title: 'Checkpoint size', description: 'Size of the last checkpoint.', unit: 'bytes' },
          value('checkpoint_bytes'),
        ),
        number(
          {
            title: 'Checkpoint writing',
            description:
              'Time to write the last checkpoint; the run goes on meanwhile. Longer than the interval is bad.',
            unit: 's',
          },
          value('checkpoint_duration_seconds'),
        ),
        number(
          {
            title: 'Journal size',
            description: 'Size of the step journal since the newest checkpoint; no data without a journal.',
            unit: 'bytes',
          },
          value('journal_bytes'),
        ),
        lines(
          {
            title: 'Checkpoint age',
            description: 'Time since the newest checkpoint. A rise far beyond the interval is bad.',
            unit: 's',
            width: 8,
          },
          { expr: CHECKPOINT_AGE, legend: '' },
        ),
        lines(
          {
            title: 'Journal size',
            description:
              'Falls at each checkpoint. A line that stays level while the run trains is bad: the journal failed.',
            unit: 'bytes',
            width: 8,
          },
          { expr: value('journal_bytes'), legend: '' },
        ),
        lines(
          {
            title: 'Failures',
            description: 'Events per second. Each is bad: the disk is full, read-only or gone.',
            unit: 'ops',
            width: 8,
          },
          { expr: rate('checkpoint_failures'), legend: 'checkpoint not written' },
          { expr: rate('journal_failures'), legend: 'journal not written' },
        ),
        number(
          {
            title: 'Coordinator restarts',
            description:
              'Coordinators of this run that died and were restarted by `convoy train`; 0 for `convoy coordinator`.',
            unit: 'none',
          },
          value('coordinator_restarts'),
        ),
      ],
    },
    {
      title: 'Problems',
      panels: [
        lines(
          {
            title: 'Joins and departures',
            description: 'Workers per second. Workers that keep coming and going are bad.',
            unit: 'ops',
          },
          { expr: rate('worker_joins'), legend: 'joined' },
          { expr: rate('worker_departures'), legend: '{{cause}}' },
        ),
        lines(
          {
            title: 'Recomputed shards',
            description:
              'Shards per second. The worker was lost, failed, sent a bad result (bad_result) or was late (rescued). A constant rate is bad.',
            unit: 'ops',
          },
          { expr: rate('shards_reissued'), legend: 'reissued: {{reason}}' },
          { expr: rate('shards_rescued'), legend: 'rescued' },
        ),
        lines(
          {
            title: 'Rejected results',
            description: 'Results per second. stale and abandoned are harmless; all other reasons are bad.',
            unit: 'ops',
          },
          { expr: rate('results_refused'), legend: '{{reason}}' },
          { expr: rate('nonfinite_gradients'), legend: 'not finite or absurd, total' },
        ),
        lines(
          {
            title: 'Audits, quarantines, failed saves and reports',
            description:
              'Events per second. All but audits that agreed are bad; a mismatch means that a machine computes wrongly.',
            unit: 'ops',
          },
          { expr: rate('audits'), legend: 'audit: {{outcome}}' },
          { expr: rate('quarantines'), legend: 'quarantine' },
          { expr: rate('model_save_failures'), legend: 'model not saved' },
          { expr: rate('report_records_lost'), legend: 'records lost: {{report}}' },
        ),
      ],
    },
  ],
}
