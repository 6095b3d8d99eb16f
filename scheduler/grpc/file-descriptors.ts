// The descriptors of the .proto files as reflection tells them. What proto-loader makes of a file differs in three things from what protoc does, and
// clients of other languages refuse the whole file for each of the first two: what holds a map's entries has another name than they expect, a reserved
// range ends before it begins, and what is optional does not say so.

import { loadSync, type MessageTypeDefinition, type PackageDefinition } from "@grpc/proto-loader";

/** Of descriptor.proto; what is not named here stays as it is. */
interface FileDescriptor {
  readonly messageType: readonly MessageDescriptor[];
}
interface MessageDescriptor {
  readonly name: string;
  readonly field: readonly FieldDescriptor[];
  readonly nestedType: readonly MessageDescriptor[];
  readonly oneofDecl: readonly { readonly name: string }[];
  /** The end is the first number that is not reserved. */
  readonly reservedRange: readonly { readonly start: number; readonly end: number }[];
  readonly options?: { readonly mapEntry?: boolean };
}
interface FieldDescriptor {
  readonly name: string;
  readonly typeName?: string;
  readonly oneofIndex?: number;
  readonly proto3Optional?: boolean;
}

const OPTIONS = { keepCase: true, longs: String, enums: Number, arrays: true };
const FILE = loadSync("google/protobuf/descriptor.proto", OPTIONS)[
  "google.protobuf.FileDescriptorProto"
] as MessageTypeDefinition<FileDescriptor, FileDescriptor>;

/** What of these has descriptors, messages and enumerations, with those that protoc would make of the files. */
export function withProtocsDescriptors(definitions: PackageDefinition): PackageDefinition {
  const told = Object.entries(definitions).filter(([, one]) => hasFiles(one)) as [string, MessageDefinition][];
  // Each has those of all files.
  const files = told[0]?.[1].fileDescriptorProtos.map(asOfProtoc) ?? [];
  return Object.fromEntries(told.map(([name, one]) => [name, { ...one, fileDescriptorProtos: files }]));
}

type MessageDefinition = MessageTypeDefinition<object, object>;

const hasFiles = (one: PackageDefinition[string]): boolean => Array.isArray(one["fileDescriptorProtos"]);

function asOfProtoc(bytes: Buffer): Buffer {
  const file = FILE.deserialize(bytes);
  return FILE.serialize({ ...file, messageType: file.messageType.map(messageOfProtoc) });
}

function messageOfProtoc(message: MessageDescriptor): MessageDescriptor {
  const { field: fields, nestedType, oneofDecl, reservedRange } = message;
  const maps = new Set(nestedType.flatMap(({ name, options }) => (options?.mapEntry === true ? [name] : [])));
  const entries = new Map(
    fields.flatMap(({ name, typeName = "" }) => (maps.has(typeName) ? [[typeName, entryNameOf(name)]] : [])),
  );
  return {
    ...message,
    field: fields.map((field) => {
      const { name, typeName = "", oneofIndex } = field;
      const entryName = entries.get(typeName);
      return {
        ...field,
        ...(entryName !== undefined && { typeName: entryName }),
        ...(oneofIndex !== undefined && oneofDecl[oneofIndex]?.name === `_${name}` && { proto3Optional: true }),
      };
    }),
    nestedType: nestedType.map((nested) => ({
      ...messageOfProtoc(nested),
      name: entries.get(nested.name) ?? nested.name,
    })),
    // As written, "9" or "9 to 11": the last number is one of them.
    reservedRange: reservedRange.map(({ start, end }) => ({ start, end: end + 1 })),
  };
}

/** Of a map's field, as the language says it: `function_log` has its entries in FunctionLogEntry. */
const entryNameOf = (field: string): string =>
  `${field.replaceAll(/(?:^_*|_+)([^_]?)/g, (_, letter: string) => letter.toUpperCase())}Entry`;
