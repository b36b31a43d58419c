/** The parts of an ONNX file as protocol buffers (onnx.proto3). */
import { PbfWriter } from "pbf";
import { type Attribute, ELEMENT_TYPES, type Graph, type Initializer, type Node, type Port } from "./graph.js";

/** The version of the file format; operator set 17 came with it. */
const IR_VERSION = 8;
const PRODUCER = "bidora";

/** Field numbers. */
const MODEL = { irVersion: 1, producer: 2, graph: 7, operatorSets: 8 } as const;
const OPERATOR_SET_ID = { domain: 1, version: 2 } as const;
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;
const NODE = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 } as const;
const ATTRIBUTE = { name: 1, float: 2, int: 3, string: 4, ints: 8, type: 20 } as const;
const TENSOR = { dims: 1, dtype: 2, name: 8, raw: 9, external: 13, location: 14 } as const;
const ENTRY = { key: 1, value: 2 } as const;
const PORT = { name: 1, type: 2, tensor: 1, dtype: 1, shape: 2, dimension: 1, size: 1, symbol: 2 } as const;

/** AttributeProto.AttributeType */
const ATTRIBUTE_TYPES = { float: 1, int: 2, string: 3, ints: 7 } as const;

/** TensorProto.DataLocation */
const EXTERNAL = 1;

/** Where an initializer's bytes are, if not in the file itself. */
export interface ExternalPlace {
  /** The file's name, in the same folder. */
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

type Write = (to: PbfWriter) => void;

const message = (to: PbfWriter, field: number, write: Write): void =>
  to.writeMessage(field, (_, inner) => write(inner), undefined);

const encoded = (write: Write): Uint8Array => {
  const to = new PbfWriter();
  write(to);
  return to.finish();
};

/** The model's fields before its graph, and the tag and length of the graph. @param graphBytes its length */
export const modelHeader = ({ operatorSets }: Graph, graphBytes: number): Uint8Array =>
  encoded((to) => {
    to.writeVarintField(MODEL.irVersion, IR_VERSION);
    to.writeStringField(MODEL.producer, PRODUCER);
    for (const [domain, version] of operatorSets)
      message(to, MODEL.operatorSets, (set) => {
        set.writeStringField(OPERATOR_SET_ID.domain, domain);
        set.writeVarintField(OPERATOR_SET_ID.version, version);
      });
    bytesTag(to, MODEL.graph, graphBytes);
  });

/** The fields of the graph without its initializers. */
export const graphFields = ({ nodes, inputs, outputs }: Graph): Uint8Array =>
  encoded((to) => {
    for (const node of nodes) message(to, GRAPH.node, (inner) => writeNode(inner, node));
    to.writeStringField(GRAPH.name, PRODUCER);
    for (const port of inputs) message(to, GRAPH.input, (inner) => writePort(inner, port));
    for (const port of outputs) message(to, GRAPH.output, (inner) => writePort(inner, port));
  });

/** An initializer as a field of the graph, up to its raw bytes, which follow. */
export function initializerHeader(initializer: Initializer, bytes: number): Uint8Array {
  const fields = encoded((to) => {
    writeTensor(to, initializer);
    bytesTag(to, TENSOR.raw, bytes);
  });
  return encoded((to) => {
    bytesTag(to, GRAPH.initializer, fields.length + bytes);
    raw(to, fields);
  });
}

/** An initializer whose bytes are in another file, as a field of the graph. */
export const externalInitializer = (initializer: Initializer, { file, offset, bytes }: ExternalPlace): Uint8Array =>
  encoded((to) =>
    message(to, GRAPH.initializer, (tensor) => {
      writeTensor(tensor, initializer);
      for (const [key, value] of Object.entries({ location: file, offset, length: bytes }))
        message(tensor, TENSOR.external, (entry) => {
          entry.writeStringField(ENTRY.key, key);
          entry.writeStringField(ENTRY.value, String(value));
        });
      tensor.writeVarintField(TENSOR.location, EXTERNAL);
    }),
  );

/** The tag and length of a field of bytes, which follow. */
function bytesTag(to: PbfWriter, field: number, length: number): void {
  to.writeVarint((field << 3) | 2);
  to.writeVarint(length);
}

function raw(to: PbfWriter, bytes: Uint8Array): void {
  to.realloc(bytes.length);
  to.buf.set(bytes, to.pos);
  to.pos += bytes.length;
}

function writeTensor(to: PbfWriter, { name, dtype, shape }: Initializer): void {
  for (const size of shape) to.writeVarintField(TENSOR.dims, size);
  to.writeVarintField(TENSOR.dtype, ELEMENT_TYPES[dtype]);
  to.writeStringField(TENSOR.name, name);
}

function writeNode(to: PbfWriter, { name, operator, domain, inputs, outputs, attributes }: Node): void {
  for (const input of inputs) to.writeStringField(NODE.input, input);
  for (const output of outputs) to.writeStringField(NODE.output, output);
  to.writeStringField(NODE.name, name);
  to.writeStringField(NODE.operator, operator);
  for (const [key, attribute] of Object.entries(attributes))
    message(to, NODE.attribute, (inner) => {
      inner.writeStringField(ATTRIBUTE.name, key);
      writeAttribute(inner, attribute);
    });
  if (domain !== "") to.writeStringField(NODE.domain, domain);
}

function writeAttribute(to: PbfWriter, attribute: Attribute): void {
  if ("int" in attribute) to.writeVarintField(ATTRIBUTE.int, attribute.int);
  else if ("float" in attribute) to.writeFloatField(ATTRIBUTE.float, attribute.float);
  else if ("string" in attribute) to.writeStringField(ATTRIBUTE.string, attribute.string);
  else for (const int of attribute.ints) to.writeVarintField(ATTRIBUTE.ints, int);
  const kind = Object.keys(attribute)[0] as keyof typeof ATTRIBUTE_TYPES;
  to.writeVarintField(ATTRIBUTE.type, ATTRIBUTE_TYPES[kind]);
}

function writePort(to: PbfWriter, { name, dtype, shape }: Port): void {
  to.writeStringField(PORT.name, name);
  message(to, PORT.type, (type) =>
    message(type, PORT.tensor, (tensor) => {
      tensor.writeVarintField(PORT.dtype, ELEMENT_TYPES[dtype]);
      message(tensor, PORT.shape, (dimensions) => {
        for (const size of shape) message(dimensions, PORT.dimension, (inner) => writeDimension(inner, size));
      });
    }),
  );
}

function writeDimension(to: PbfWriter, size: number | string): void {
  if (typeof size === "number") to.writeVarintField(PORT.size, size);
  else to.writeStringField(PORT.symbol, size);
}
