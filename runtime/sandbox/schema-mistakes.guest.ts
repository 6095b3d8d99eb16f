// What a value that does not fit its schema is told: typebox' findings in the words of the other messages, places written as
// in code. Part of the auxiliary program (auxiliary.guest.ts).

import { stepsOf } from "../function/json-pointer.ts";

/** A finding as typebox has it: where in the value, which keyword of the schema, and what that one says. */
export interface Finding {
  readonly keyword: string;
  /** A JSON pointer. */
  readonly instancePath: string;
  readonly params: object;
  readonly message: string;
}

const MISTAKES_SHOWN_MAX = 3;
/** Characters of an allowed value, or of several, that a message shows. */
const VALUES_LENGTH_MAX = 200;

/** A schema's keywords that only sum up what findings deeper in the value say. */
const SUMS = new Set(["additionalProperties", "propertyNames"]);
const ARTICLES: Readonly<Record<string, string>> = {
  array: "an array",
  boolean: "a boolean",
  integer: "an integer",
  null: "null",
  number: "a number",
  object: "an object",
  string: "a string",
};

/** The first mistakes, in a line. `what` is "args" or "result". */
export function mistakesText(what: string, findings: readonly Finding[]): string {
  const exact = findings.filter(({ keyword }) => !SUMS.has(keyword));
  return (exact.length > 0 ? exact : findings)
    .slice(0, MISTAKES_SHOWN_MAX)
    .map((finding) => `${placeText(what, finding.instancePath)} ${faultText(finding)}`)
    .join("; ");
}

/** `/items/2/a b` is `args.items[2]["a b"]`. */
function placeText(what: string, pointer: string): string {
  if (pointer === "") return what === "args" ? what : `the ${what}`;
  return what + stepsOf(pointer).map(stepText).join("");
}

function stepText(step: string): string {
  if (/^\d+$/.test(step)) return `[${step}]`;
  return /^[A-Za-z_$][\w$]*$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}

function faultText({ keyword, params, message }: Finding): string {
  const { type, requiredProperties, allowedValues, allowedValue, unevaluatedProperties } = params as {
    readonly type?: string | readonly string[];
    readonly requiredProperties?: readonly string[];
    readonly allowedValues?: readonly unknown[];
    readonly allowedValue?: unknown;
    readonly unevaluatedProperties?: readonly unknown[];
  };
  switch (keyword) {
    case "boolean":
      return "is not allowed";
    case "type":
      return `must be ${[type ?? []]
        .flat()
        .map((one) => ARTICLES[one] ?? one)
        .join(" or ")}`;
    case "required":
      return `must have ${requiredProperties?.join(", ")}`;
    case "enum":
      return `must be one of ${cut((allowedValues ?? []).map((value) => JSON.stringify(value)).join(", "))}`;
    case "const":
      return `must be ${cut(JSON.stringify(allowedValue) ?? "")}`;
    case "unevaluatedProperties":
      return `must not have ${unevaluatedProperties?.join(", ")}`;
    case "anyOf":
      return "fits none of the schemas of anyOf";
    case "oneOf":
      return "must fit exactly one schema of oneOf";
    case "not":
      return "fits what its schema forbids";
  }
  return message;
}

const cut = (text: string): string => (text.length > VALUES_LENGTH_MAX ? `${text.slice(0, VALUES_LENGTH_MAX)}…` : text);
