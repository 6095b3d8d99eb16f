// The peer of `http`: a bare fastify server with one route, the same path, body and answer as a call of the function `empty`.
// What an expert would put in front of a function that does nothing. Started by http.bench.ts.

import { fastify } from "fastify";
import { servePeer } from "../harness/peer-process.ts";

const app = fastify({ logger: false });
app.post(
  "/v1/functions/:name/invocations",
  {
    schema: {
      body: { type: "object" },
      response: { 200: { type: "null" } },
    },
  },
  async () => null,
);
const url = app.listen({ host: "127.0.0.1", port: 0 });

servePeer(() => url);
