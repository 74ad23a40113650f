import { Option } from 'commander'

/** `--custom`, to be given to registerCustomCode. */
export function customOption(): Option {
  return new Option(
    '--custom <module>',
    'module with custom layers, losses, metrics and callbacks; only needed where Convoy has not seen it yet, or it is not in the module of the model',
  )
}
