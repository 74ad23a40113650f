import type { Dashboard } from '../panels.js'
import { lines, number } from '../panels.js'
import { rate, steadyMean, value } from '../queries.js'

const PER_STEP = steadyMean('step_duration_seconds', 'instance')

export const OVERVIEW: Dashboard = {
  id: 'convoy-overview',
  title: 'Convoy: overview',
  description: 'Is the run going on, does it learn, and what went wrong?',
  hasWorkers: false,
  rows: [
    {
      title: 'The run',
      panels: [
        {
          kind: 'label',
          title: 'State',
          description: 'What the coordinator does. Bad: waiting for long (no worker), failed.',
          unit: 'none',
          width: 4,
          queries: [{ expr: `${value('run_state')} == 1`, legend: '{{state}}' }],
        },
        {
          kind: 'label',
          title: 'What runs',
          description: 'Network, data set and seed.',
          unit: 'none',
          width: 8,
          queries: [{ expr: value('run_info'), legend: '{{network}} on {{dataset}}, seed {{seed}}' }],
        },
        number(
          { title: 'Done', description: 'Steps done of those planned.', unit: 'percentunit' },
          `${value('step')} / ${value('planned_steps')}`,
        ),
        number(
          {
            title: 'Time left',
            description: 'Steps left, at the mean time for a step of the last ten minutes; evaluations are not in it.',
            unit: 's',
          },
          `(${value('planned_steps')} - ${value('step')}) * on (instance) (${PER_STEP})`,
        ),
        number({ title: 'Workers', description: 'That take part now. Bad: 0.', unit: 'none' }, value('workers')),
        number({ title: 'Step', description: 'Steps applied so far.', unit: 'none' }, value('step')),
        number(
          { title: 'Epoch', description: 'How often the training samples were used.', unit: 'none' },
          value('epoch'),
        ),
        number(
          {
            title: 'Throughput',
            description: 'Training images per second. Bad: far below what convoy bench measures for so many workers.',
            unit: 'img/s',
          },
          rate('samples'),
        ),
        number(
          { title: 'Validation accuracy', description: 'Of the last evaluation.', unit: 'percentunit' },
          value('evaluation_accuracy_ratio', 'split="validation"'),
        ),
        number(
          { title: 'Model saved', description: 'When a model was saved last.', unit: 'dateTimeAsIso' },
          `${value('saved_model_timestamp_seconds')} * 1000`,
        ),
        number(
          { title: "Model's size", description: 'Of the model that was saved last.', unit: 'bytes' },
          value('saved_model_bytes'),
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
              'Of each batch and of the evaluations. Bad: it rises for long, or evaluations rise while batches fall (overfitting).',
            unit: 'none',
          },
          { expr: value('loss'), legend: 'batch' },
          { expr: value('evaluation_loss'), legend: '{{split}}' },
        ),
        lines(
          {
            title: 'Accuracy',
            description: 'Of each batch and of the evaluations. Bad: it stays at chance.',
            unit: 'percentunit',
          },
          { expr: value('accuracy_ratio'), legend: 'batch' },
          { expr: value('evaluation_accuracy_ratio'), legend: '{{split}}' },
        ),
        lines(
          { title: 'Learning rate', description: 'As the schedule says.', unit: 'none' },
          { expr: value('learning_rate'), legend: 'learning rate' },
        ),
        lines(
          {
            title: 'Gradient norm',
            description:
              'L2 norm before clipping. Bad: it jumps by orders of magnitude; lower the learning rate or clip.',
            unit: 'none',
          },
          { expr: value('gradient_norm'), legend: 'L2 norm' },
        ),
        lines(
          {
            title: 'Throughput',
            description: 'Training images per second. Bad: steps down that no worker explains.',
            unit: 'img/s',
          },
          { expr: rate('samples'), legend: 'images/s' },
        ),
        lines(
          { title: 'Evaluation', description: 'How long the last evaluation took.', unit: 's' },
          { expr: value('evaluation_duration_seconds'), legend: '{{split}}' },
        ),
      ],
    },
    {
      title: 'What goes wrong',
      panels: [
        lines(
          { title: 'Joins and departures', description: 'Per second. Bad: workers come and go.', unit: 'ops' },
          { expr: rate('worker_joins'), legend: 'joined' },
          { expr: rate('worker_departures'), legend: 'left or lost' },
        ),
        lines(
          {
            title: 'Work done again',
            description:
              'Shards per second. lost, failed, bad_result: what their worker did. rescued: it was late. Bad: all the time.',
            unit: 'ops',
          },
          { expr: rate('shards_reissued'), legend: 'reissued: {{reason}}' },
          { expr: rate('shards_rescued'), legend: 'rescued' },
        ),
        lines(
          {
            title: 'Results refused',
            description:
              'Per second. stale and abandoned are harmless after a fault; everything else is a fault of its own.',
            unit: 'ops',
          },
          { expr: rate('results_refused'), legend: '{{reason}}' },
          { expr: rate('nonfinite_gradients'), legend: 'not finite or absurd, in all' },
        ),
        lines(
          {
            title: 'Audits, quarantines, failed saves and reports',
            description: 'Per second. Bad: any mismatch (a machine computes wrongly), quarantine, failed save or loss.',
            unit: 'ops',
          },
          { expr: rate('audits'), legend: 'audit: {{outcome}}' },
          { expr: rate('quarantines'), legend: 'quarantine' },
          { expr: rate('model_save_failures'), legend: 'model not saved' },
          { expr: rate('report_records_lost'), legend: 'lost to {{report}}' },
        ),
      ],
    },
  ],
}
