// What of autocannon is used here: it brings no types.

declare module "autocannon" {
  interface Options {
    readonly url: string;
    readonly method: "POST";
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
    readonly connections: number;
    readonly pipelining: number;
    /** s. */
    readonly duration: number;
    /** How often it looks whether it is over, ms. */
    readonly sampleInt: number;
  }

  interface Result {
    readonly errors: number;
    readonly timeouts: number;
    readonly non2xx: number;
    /** Answered requests. */
    readonly "2xx": number;
    /** s, in steps of 10 ms. */
    readonly duration: number;
  }

  interface Instance extends Promise<Result> {
    on(
      event: "response",
      listener: (client: unknown, statusCode: number, responseBytes: number, responseTimeMs: number) => void,
    ): this;
  }

  export default function autocannon(options: Options): Instance;
}
