// What a thrown CallerError (runtime/function/define.ts) says beside its message. Used in isolates (prelude.guest.ts), and by
// instances that are processes.

/** Characters of the JSON of a CallerError's status and data. `DATA_LENGTH_MAX` in runtime/function/define.ts, and room for the status. */
const REFUSAL_LENGTH_MAX = 16 * 1024;

const { stringify } = JSON;

/** `{"status":404,"data":…}`; undefined if the thrown value is no valid CallerError. A bundle may have forged it. */
export function refusalOf(thrown: unknown): string | undefined {
  try {
    if (!(thrown instanceof Error)) return undefined;
    const { kind, status, data } = thrown as {
      readonly kind?: unknown;
      readonly status?: unknown;
      readonly data?: unknown;
    };
    if (kind !== "locus.callerError" || !isRefusalStatus(status)) return undefined;
    const json = stringify({ status, data });
    return json.length <= REFUSAL_LENGTH_MAX ? json : undefined;
  } catch {
    return undefined;
  }
}

const isRefusalStatus = (status: unknown): status is number =>
  typeof status === "number" && Number.isInteger(status) && status >= 400 && status <= 499;
