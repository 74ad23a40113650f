import { Option } from 'commander'
import { SPLIT_CHOICES } from '../../data/sampling/choose-samples.js'

/** `--split`; samplesForModel decides where it is not given. */
export function splitOption(): Option {
  return new Option(
    '--split <name>',
    'which samples (default: test; all of a data set that the run did not train on)',
  ).choices(SPLIT_CHOICES)
}

/** `--data`; see samplesForModel. */
export function dataOption(): Option {
  return new Option(
    '--data <name or path>',
    'another data set with images of the same shape and classes of the same names (default: the one of the run)',
  )
}
