// A known path with another method is 405 and tells what is allowed; fastify alone would say 404.

import type { FastifyInstance, HTTPMethods } from "fastify";

import { problemOf, sendProblem } from "./problem.ts";

const METHODS: readonly HTTPMethods[] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/** Notes what is routed from here on; `refuseOthers` adds a route for every method that is not. */
export class AllowedMethods {
  readonly #byPath = new Map<string, Set<string>>();
  #complete = false;

  watch(app: FastifyInstance): void {
    app.addHook("onRoute", ({ url, method }) => {
      if (this.#complete) return;
      const allowed = this.#byPath.get(url) ?? new Set<string>();
      for (const name of [method].flat()) allowed.add(name);
      this.#byPath.set(url, allowed);
    });
  }

  refuseOthers(app: FastifyInstance): void {
    this.#complete = true;
    for (const [url, allowed] of this.#byPath) {
      const names = [...allowed].toSorted().join(", ");
      const others = METHODS.filter((method) => !allowed.has(method));
      // Before the body is read: whatever it is, it does not matter.
      app.route({
        method: others,
        url,
        onRequest: (request, reply) => {
          const detail = `${request.method} is not possible here, only ${names}`;
          void sendProblem(reply.header("allow", names), problemOf("REQUEST_INVALID", detail, { status: 405 }));
        },
        handler: () => {},
      });
    }
  }
}
