// What several supervisors of one node come to together: the function user's, and one for each user for whom the node acts.

import type { CallStates, SupervisorState } from "#runtime/sandbox/supervisor.ts";

const NO_CALLS: CallStates = { queued: 0, starting: 0, running: 0, waiting: 0 };

export const NO_SANDBOX: SupervisorState = {
  hosts: [],
  functions: [],
  deaths: 0,
  killedForMemory: 0,
  killedForTime: 0,
  reruns: 0,
  quarantined: 0,
  released: 0,
  calls: NO_CALLS,
  inFlight: 0,
  connections: 0,
  refusal: "",
};

export const sandboxTotal = (states: readonly SupervisorState[]): SupervisorState => {
  const sum = (count: (state: SupervisorState) => number): number =>
    states.reduce((total, state) => total + count(state), 0);
  return {
    hosts: states.flatMap(({ hosts }) => hosts),
    functions: states.flatMap(({ functions }) => functions),
    deaths: sum((state) => state.deaths),
    killedForMemory: sum((state) => state.killedForMemory),
    killedForTime: sum((state) => state.killedForTime),
    reruns: sum((state) => state.reruns),
    quarantined: sum((state) => state.quarantined),
    released: sum((state) => state.released),
    calls: {
      queued: sum(({ calls }) => calls.queued),
      starting: sum(({ calls }) => calls.starting),
      running: sum(({ calls }) => calls.running),
      waiting: sum(({ calls }) => calls.waiting),
    },
    inFlight: sum((state) => state.inFlight),
    connections: sum((state) => state.connections),
    refusal: states.find(({ refusal }) => refusal !== "")?.refusal ?? "",
  };
};

/** What stays of one that is closed: what it has counted. */
export const countsOf = (state: SupervisorState): SupervisorState => ({
  ...state,
  hosts: [],
  functions: [],
  calls: NO_CALLS,
  inFlight: 0,
  connections: 0,
  refusal: "",
});

/** Calls that wait for an instance count as those do that wait for an isolate. */
export const withWaiting = (
  state: SupervisorState,
  { queued, starting }: Pick<CallStates, "queued" | "starting"> = NO_CALLS,
): SupervisorState => ({
  ...state,
  calls: { ...state.calls, queued: state.calls.queued + queued, starting: state.calls.starting + starting },
});
