import { z } from 'zod'

/** Settings of one kind of optimizer or schedule, which `kind` names. */
export type KindSchema = z.ZodObject<{ kind: z.ZodLiteral<string> }>

type Schemas<Definitions extends readonly { readonly schema: KindSchema }[]> = {
  -readonly [Place in keyof Definitions]: Definitions[Place]['schema']
}

/** The settings of one of them: the `kind` decides which others there are. */
export function schemaOf<const Definitions extends readonly [{ schema: KindSchema }, ...{ schema: KindSchema }[]]>(
  definitions: Definitions,
): z.ZodDiscriminatedUnion<Schemas<Definitions>, 'kind'> {
  return z.discriminatedUnion('kind', definitions.map(({ schema }) => schema) as unknown as Schemas<Definitions>)
}

/** The `kind` of a definition. */
export function kindOf<Kind extends string>({
  schema,
}: {
  readonly schema: z.ZodObject<{ kind: z.ZodLiteral<Kind> }>
}): Kind {
  return schema.shape.kind.value
}
