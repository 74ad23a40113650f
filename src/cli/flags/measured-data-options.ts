import { Option } from 'commander'
import { SPLIT_CHOICES } from '../../data/sampling/choose-samples.js'

/** `--split`; samplesForModel has the default. */
export function splitOption(): Option {
  return new Option(
    '--split <name>',
    'samples to measure (default: test; all, for a data set that the run did not train on)',
  ).choices(SPLIT_CHOICES)
}

/** `--data`; see samplesForModel. */
export function dataOption(): Option {
  return new Option(
    '--data <name or path>',
    'another data set, with the same image shape and class names (default: the data set of the run)',
  )
}
