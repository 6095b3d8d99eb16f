// A Scaler as somebody else has it, made from the contract alone (test/fixtures/proto): the contest's reference, which takes the instance that became
// idle last, else a slot and an instance in it. Its look for what has been idle for five minutes is left out: no test lasts so long.

import { randomUUID } from "node:crypto";
import { callbackify } from "node:util";
import { type sendUnaryData, Server, ServerCredentials, type ServerUnaryCall, status } from "@grpc/grpc-js";
import { clientAt, type ContestClient, definitionOf } from "./contest-client.ts";

interface Meta {
  readonly key: string;
  readonly memory_in_mb: string;
}
interface Assigment {
  readonly request_id: string;
  readonly meta_key: string;
  readonly instance_id: string;
}
interface AssignRequest {
  readonly request_id: string;
  readonly timestamp: string;
  readonly meta_data: Meta | null;
}
interface IdleRequest {
  readonly assigment: Assigment | null;
  readonly result: { readonly need_destroy?: boolean; readonly status_code: number } | null;
}
type Reply = Readonly<Record<string, unknown>>;
type Implementation = (
  call: ServerUnaryCall<AssignRequest & IdleRequest, Reply>,
  callback: sendUnaryData<Reply>,
) => void;

export class ForeignScaler {
  /** What it was assigned for and told of, in order. */
  readonly assigned: AssignRequest[] = [];
  readonly results: NonNullable<IdleRequest["result"]>[] = [];
  /** Of the Platform, in order. */
  readonly replies: { readonly method: string; readonly status: unknown }[] = [];
  /** Calls of the function of this name are refused, in the reply. */
  readonly throttled = "throttled";
  readonly #platform: ContestClient;
  /** By instance. */
  readonly #slots = new Map<string, string>();
  /** By function; the last became idle last. */
  readonly #idle = new Map<string, string[]>();
  readonly #server = new Server();

  constructor(resources: AsyncDisposableStack, platformEndpoint: string) {
    this.#platform = clientAt(resources, platformEndpoint)("serverless.simulator.Platform");
    this.#server.addService(definitionOf("serverless.simulator.Scaler"), {
      Assign: answering((request) => this.#assign(request)),
      Idle: answering((request) => this.#goIdle(request)),
    });
    resources.defer(() => this.#server.forceShutdown());
  }

  /** Resolves when it listens. */
  async listen(port: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
    await promise;
  }

  async #assign(request: AssignRequest): Promise<Reply> {
    this.assigned.push(request);
    const { request_id, meta_data } = request;
    if (meta_data === null) throw failed(status.INVALID_ARGUMENT, "no meta_data");
    if (meta_data.key === this.throttled) return { status: "Throttle", error_message: "too many" };
    const instance_id = this.#idle.get(meta_data.key)?.pop() ?? (await this.#start(request_id, meta_data));
    return { status: "Ok", assigment: { request_id, meta_key: meta_data.key, instance_id } };
  }

  async #goIdle({ assigment, result }: IdleRequest): Promise<Reply> {
    if (assigment === null || result === null) throw failed(status.INVALID_ARGUMENT, "no assigment, or no result");
    this.results.push(result);
    const { request_id, meta_key, instance_id } = assigment;
    const idle = this.#idle.get(meta_key);
    if (idle === undefined) return { status: "InternalError", error_message: `no meta ${meta_key}` };
    const id = this.#slots.get(instance_id);
    if (id === undefined) throw failed(status.NOT_FOUND, `no instance ${instance_id}`);
    if (result.need_destroy === true) {
      this.#slots.delete(instance_id);
      await this.#ask("DestroySlot", { request_id, id, reason: "bad instance" });
    } else if (!idle.includes(instance_id)) {
      idle.push(instance_id);
    }
    return { status: "Ok" };
  }

  async #start(request_id: string, meta_data: Meta): Promise<string> {
    const { key, memory_in_mb: memory_in_megabytes } = meta_data;
    if (!this.#idle.has(key)) this.#idle.set(key, []);
    const { slot } = await this.#ask("CreateSlot", { request_id, resource_config: { memory_in_megabytes } });
    const { id: slot_id } = slot as { readonly id: string };
    const instance_id = randomUUID();
    await this.#ask("Init", { request_id, slot_id, instance_id, meta_data });
    this.#slots.set(instance_id, slot_id);
    return instance_id;
  }

  async #ask(method: string, request: object): Promise<Reply> {
    const reply = await this.#platform.call(method, request).catch((error: Error) => {
      throw failed(status.INTERNAL, error.message);
    });
    this.replies.push({ method, status: reply["status"] });
    return reply;
  }
}

const answering = (work: (request: AssignRequest & IdleRequest) => Promise<Reply>): Implementation => {
  const answer = callbackify(work);
  return ({ request }, callback) => answer(request, (error: Error | null, reply) => callback(error, reply));
};

/** As grpc-js tells it. */
const failed = (code: status, message: string): Error => Object.assign(new Error(message), { code });
