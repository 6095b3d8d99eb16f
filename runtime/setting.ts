// One setting: an environment variable, how its text is read, and what the documentation says of it. A table of them
// is read as a whole, so that every mistake is told at once.

import { didYouMean, similarNames } from "./similar-names.ts";

export const PORT_MAX = 65_535;
const PREFIX = "LOCUS_";

export interface Setting<Value> {
  readonly variable: string;
  /** As the documentation shows it. */
  readonly fallback: string;
  /** What it means, with its unit; ends up in docs/configuration.md. */
  readonly meaning: string;
  /** The value where the variable is not set. */
  readonly otherwise: Value;
  /** Throws an Error that says what the text must be. */
  readonly parse: (text: string) => Value;
}

export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** What a table's variables come to. */
export type SettingValues<Table extends SettingTable> = {
  readonly [name in keyof Table]: Table[name] extends Setting<infer Value> ? Value : never;
};

export type Environment = Readonly<Record<string, string | undefined>>;

interface SettingsRead<Table extends SettingTable> {
  readonly values: SettingValues<Table>;
  /** A sentence each; empty where all is well. */
  readonly mistakes: readonly string[];
}

/** Reads every variable of the table; one with a mistake has its default. An empty variable counts as not set. */
export const readSettings = <Table extends SettingTable>(
  table: Table,
  environment: Environment,
): SettingsRead<Table> => {
  const mistakes: string[] = [];
  const read = ({ variable, otherwise, parse }: Setting<unknown>): unknown => {
    const text = environment[variable];
    if (text === undefined || text === "") return otherwise;
    try {
      return parse(text);
    } catch (error) {
      mistakes.push(`${variable}: ${(error as Error).message}`);
      return otherwise;
    }
  };
  const values = Object.fromEntries(Object.entries(table).map(([name, setting]) => [name, read(setting)]));
  return { values: values as SettingValues<Table>, mistakes };
};

/** A sentence for each `LOCUS_*` variable that none of the tables has: most likely a typing error. */
export const unknownVariables = (tables: readonly SettingTable[], environment: Environment): readonly string[] => {
  const known = new Set(tables.flatMap((table) => Object.values(table).map(({ variable }) => variable)));
  return Object.keys(environment)
    .filter((variable) => variable.startsWith(PREFIX) && !known.has(variable))
    .map((variable) => `${variable}: there is no such setting${meantBy(variable, [...known])}`);
};

/** What all settings begin with makes none of them like another. */
const meantBy = (variable: string, known: readonly string[]): string => {
  const names = known.map((one) => one.slice(PREFIX.length));
  const similar = similarNames(variable.slice(PREFIX.length), names).map((name) => `${PREFIX}${name}`);
  return similar.length === 0 ? "" : ` (${didYouMean(similar).trim()})`;
};

/** Names of the table's variables that are set. */
export const variablesSet = (table: SettingTable, environment: Environment): readonly string[] =>
  Object.values(table)
    .map(({ variable }) => variable)
    .filter((variable) => (environment[variable] ?? "") !== "");

export const textSetting = (variable: string, fallback: string, meaning: string): Setting<string> => ({
  variable,
  fallback: `\`${fallback}\``,
  meaning,
  otherwise: fallback,
  parse: (text) => text,
});

/** null where it is not set; `fallback` says in words what holds then. */
export const optionalSetting = <Value = string>(
  variable: string,
  fallback: string,
  meaning: string,
  parse: (text: string) => Value = (text) => text as Value,
): Setting<Value | null> => ({ variable, fallback, meaning, otherwise: null, parse });

/** One of a few words. */
export const choiceSetting = <Choice extends string>(
  variable: string,
  otherwise: NoInfer<Choice>,
  choices: readonly Choice[],
  meaning: string,
): Setting<Choice> => ({ variable, fallback: `\`${otherwise}\``, meaning, otherwise, parse: oneOf(choices) });

export const integerSetting = (
  variable: string,
  { otherwise, min, max }: { readonly otherwise: number; readonly min: number; readonly max: number },
  meaning: string,
): Setting<number> => ({
  variable,
  fallback: String(otherwise),
  meaning: `${meaning} (${min} to ${max})`,
  otherwise,
  parse: integerBetween(min, max),
});

export const integerBetween =
  (min: number, max: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new Error(`"${text}" is no whole number from ${min} to ${max}`);
  };

export const oneOf =
  <Choice extends string>(choices: readonly Choice[]) =>
  (text: string): Choice => {
    if ((choices as readonly string[]).includes(text)) return text as Choice;
    throw new Error(`"${text}" is none of ${choices.join(", ")}`);
  };
