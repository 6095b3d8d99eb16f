// The signal that cancels what a client has in flight when it goes away: one per connection, made at its first call and
// shared by all that follow, so that a call costs a look-up.

import type { Socket } from "node:net";

const controllers = new WeakMap<Socket, AbortController>();

export const disconnectSignal = (socket: Socket): AbortSignal => {
  const held = controllers.get(socket);
  if (held !== undefined) return held.signal;
  const controller = new AbortController();
  controllers.set(socket, controller);
  if (socket.destroyed) controller.abort();
  else socket.once("close", () => controller.abort());
  return controller.signal;
};
