import { Option } from 'commander'
import { DEVICE_CHOICES } from '../../tensorflow/runtime/device-choice.js'

/** `--device`, with CONVOY_DEVICE for scripts that start many. */
export function deviceOption(): Option {
  return new Option('--device <device>', 'what to compute on: the GPU where there is one, the CPU, or a GPU or nothing')
    .choices(DEVICE_CHOICES)
    .default('auto')
    .env('CONVOY_DEVICE')
}
