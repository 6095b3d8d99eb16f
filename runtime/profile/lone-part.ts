// A part of a profile by itself, with numbers of its own: for tests.

import { Layout, type Values } from "./layout.ts";

/** The part, whose methods need not be given the numbers. */
export type LonePart<Part> = {
  readonly [Name in keyof Part]: Part[Name] extends (values: Values, ...rest: infer Rest) => infer Result
    ? (...rest: Rest) => Result
    : Part[Name];
};

export function lonePart<Part extends object>(PartClass: new (layout: Layout) => Part): LonePart<Part> {
  const layout = new Layout();
  const part = new PartClass(layout);
  const values = layout.values();
  return new Proxy(part, {
    get(_, name) {
      const method: unknown = Reflect.get(part, name);
      if (typeof method !== "function") return method;
      return (...rest: readonly unknown[]): unknown => Reflect.apply(method, part, [values, ...rest]);
    },
  }) as unknown as LonePart<Part>;
}
