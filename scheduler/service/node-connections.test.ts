import { expect, it } from "vitest";
import { NodeConnections } from "./node-connections.ts";

function connectionsOf(max: number) {
  const said: string[] = [];
  const connections = new NodeConnections((endpoint) => {
    said.push(`open ${endpoint}`);
    return {
      connected: () => Promise.reject(new Error("nobody is called here")),
      invoke: () => Promise.reject(new Error("no call is made here")),
      close: () => void said.push(`close ${endpoint}`),
    };
  }, max);
  return { connections, said };
}

it("keeps a connection for the next call, and closes the one that was used longest ago where there are too many", () => {
  const { connections, said } = connectionsOf(2);
  const first = connections.to("a", 1);
  connections.to("b", 1);
  expect(connections.to("a", 1)).toBe(first);
  connections.to("a", 2);
  expect(said).toEqual(["open a:1", "open b:1", "open a:2", "close b:1"]);
  connections.close();
  connections.close();
  expect(said.slice(4)).toEqual(["close a:1", "close a:2"]);
});
