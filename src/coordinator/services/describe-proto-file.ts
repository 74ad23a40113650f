import protobuf from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor/index.js'
import type { IDescriptorProto, IFieldDescriptorProto, IFileDescriptorProto } from 'protobufjs/ext/descriptor/index.js'
import { ConvoyError } from '../../shared/errors.js'

type Field = IFieldDescriptorProto & { proto3Optional?: boolean }
type Message = Required<Pick<IDescriptorProto, 'name' | 'field' | 'nestedType'>> & Pick<IDescriptorProto, 'options'>

/**
 * A proto3 file as a `FileDescriptorProto`, the same that protoc writes (without comments). protobufjs' own is not enough for
 * other clients: it names map entries wrongly, which Go and Python reject, and leaves out JSON names, full type names and which
 * fields are optional.
 * @param file one package, without imports
 * @param name by which clients ask for it, such as `convoy.proto`
 * @returns the encoded descriptor
 */
export function describeProtoFile(file: string, name: string): Buffer {
  const root = new protobuf.Root().loadSync(file, { keepCase: true })
  root.resolveAll()
  const set = (root as unknown as { toDescriptor(syntax: string): { file: IFileDescriptorProto[] } }).toDescriptor(
    'proto3',
  )
  const [described, ...others] = set.file
  if (described === undefined || others.length > 0)
    throw new ConvoyError('internal', `${file} has more than one package, or none`)
  described.name = name
  const scope = root.lookup(described.package ?? '') as protobuf.Namespace
  for (const message of described.messageType ?? [])
    completeMessage(message as Message, scope.get(message.name!) as protobuf.Type)
  for (const service of described.service ?? []) {
    const { methods } = scope.get(service.name!) as protobuf.Service
    for (const method of service.method ?? []) {
      const { resolvedRequestType, resolvedResponseType } = methods[method.name!]!
      method.inputType = resolvedRequestType!.fullName
      method.outputType = resolvedResponseType!.fullName
    }
  }
  return Buffer.from(descriptor.FileDescriptorProto.encode(described).finish())
}

function completeMessage(message: Message, type: protobuf.Type): void {
  // Before the fields lose the names by which their entries are found.
  for (const nested of message.nestedType as Message[]) {
    if (nested.options?.mapEntry) completeMapEntry(nested, message, type)
    else completeMessage(nested, type.get(nested.name) as protobuf.Type)
  }
  for (const field of message.field as Field[]) {
    const { map, resolvedType, options } = type.fields[field.name!]!
    field.jsonName = jsonName(field.name!)
    if (map) field.typeName = `${type.fullName}.${entryName(field.name!)}`
    else if (resolvedType) field.typeName = resolvedType.fullName
    if (options?.['proto3_optional'] === true) field.proto3Optional = true
    if (field.options && descriptor.FieldOptions.encode(field.options).finish().length === 0) delete field.options
  }
}

function completeMapEntry(entry: Message, message: Message, type: protobuf.Type): void {
  const isMap = ({ name, typeName }: Field): boolean => type.fields[name!]!.map && typeName === entry.name
  const { name } = message.field.find(isMap)!
  entry.name = entryName(name!)
  const { resolvedType } = type.fields[name!]!
  for (const field of entry.field) {
    field.jsonName = field.name
    if (field.name === 'value' && resolvedType) field.typeName = resolvedType.fullName
  }
}

/** `total_steps` -> `totalSteps`, as protoc makes it. */
function jsonName(name: string): string {
  return name.replace(/_+(.?)/g, (_, next: string) => next.toUpperCase())
}

/** `total_steps` -> `TotalStepsEntry`: the only name that other implementations accept. */
function entryName(name: string): string {
  const camel = jsonName(name)
  return `${camel.charAt(0).toUpperCase()}${camel.slice(1)}Entry`
}
