import { expect, test } from "vitest";
import { firewallWithout } from "./footprint.ts";

test("an engine's rules and policies are taken out of a firewall, and those that others have made meanwhile stay", () => {
  const before = ["*filter", ":FORWARD ACCEPT [7:420]", "-A FORWARD -s 10.0.0.1/32 -j DROP", "COMMIT", ""].join("\n");
  const now = [
    "*filter",
    ":FORWARD DROP [0:0]",
    ":DOCKER - [0:0]",
    ":DOCKER-USER - [0:0]",
    "-A FORWARD -s 10.0.0.1/32 -j DROP",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -j ACCEPT",
    "-A FORWARD -i br-0123456789ab ! -o br-0123456789ab -j ACCEPT",
    "-A FORWARD -i br-ba9876543210 -j ACCEPT",
    "-A POSTROUTING -s 172.17.0.2/32 -d 172.17.0.2/32 -p tcp -m tcp --dport 8080 -j MASQUERADE",
    "-A POSTROUTING -s 10.0.0.0/16 -j MASQUERADE",
    "COMMIT",
    "",
  ].join("\n");
  expect(firewallWithout(now, before, ["docker0", "br-0123456789ab"]).split("\n")).toEqual([
    "*filter",
    ":FORWARD ACCEPT",
    "-A FORWARD -s 10.0.0.1/32 -j DROP",
    "-A FORWARD -i br-ba9876543210 -j ACCEPT",
    "-A POSTROUTING -s 10.0.0.0/16 -j MASQUERADE",
    "COMMIT",
    "",
  ]);
});
