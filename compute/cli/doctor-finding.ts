// What `locus doctor` finds out, one thing at a time.

export interface Finding {
  readonly part: "machine" | "build" | "redis" | "node";
  readonly about: string;
  /** `warning`: locus works without it, and less well. `missing`: something of locus does not work. */
  readonly status: "ok" | "warning" | "missing";
  readonly found: string;
  /** What to do about it; null where all is well. */
  readonly mend: string | null;
}

/** Findings of one part. */
export const findings = (part: Finding["part"]) => ({
  ok: (about: string, found: string): Finding => ({ part, about, status: "ok", found, mend: null }),
  warning: (about: string, found: string, mend: string): Finding => ({ part, about, status: "warning", found, mend }),
  missing: (about: string, found: string, mend: string): Finding => ({ part, about, status: "missing", found, mend }),
});
