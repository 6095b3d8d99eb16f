// A node as a scheduler of the 2020 contest sees one: the NodeService over a driver of ours, with functions that need no registry.

import { LocusError } from "#runtime/errors.ts";
import type { FunctionImage } from "#runtime/sandbox/supervisor.ts";
import type { Driver } from "#scheduler/driver/driver.ts";
import { nodeService } from "#scheduler/grpc/node-service.ts";
import { DriverNode } from "#scheduler/service/driver-node.ts";
import { serve, type Served } from "./served.ts";

/** The image of a function, or what comes of looking for it. */
export type Images = (functionName: string) => Promise<FunctionImage> | FunctionImage | undefined;

export function serveNode(
  resources: AsyncDisposableStack,
  driver: Driver,
  imageOf: Images,
  memoryBytes: number,
): Promise<Served> {
  const functions = {
    image: async (name: string): Promise<FunctionImage> => {
      const image = await imageOf(name);
      if (image === undefined) throw new LocusError("FUNCTION_NOT_FOUND", `there is no function ${name}`);
      return image;
    },
  };
  const own = { availableBytes: () => Infinity, instanceCpus: 1, ownMemoryBytes: 0, folder: "/", owner: null };
  const node = new DriverNode({ driver, functions, memoryBytes, ...own });
  return serve(resources, { "nodeservoceproto.NodeService": nodeService(node) });
}
