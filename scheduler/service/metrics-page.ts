// The metrics of a scheduler that is a process of its own, where it is told a port for them: on the address of its gRPC listener, with the same TLS, and
// the same secret or one of its own.

import { EXPOSITION_TYPE } from "#runtime/exposition.ts";
import type { CapacityOverview } from "./capacity-overview.ts";
import type { GrpcConfig } from "./config.ts";
import { servePage } from "./page.ts";
import { schedulerText } from "./scheduler-metrics.ts";

interface MetricsPage {
  /** null: they are not served. */
  readonly port: number | null;
  /** Idempotent. */
  close(): Promise<void>;
}

/** `port` 0 takes a free one. Rejects with CONFIG_INVALID where the address or the certificate cannot be used. */
export async function serveMetrics(
  { metricsPort: port, metricsSecret }: { readonly metricsPort: number | null; readonly metricsSecret: string | null },
  { host, listener: { tls, secret } }: Pick<GrpcConfig, "host" | "listener">,
  overview: () => CapacityOverview,
): Promise<MetricsPage> {
  if (port === null) return { port, close: async () => {} };
  const security = { tls, secret: metricsSecret ?? secret };
  const text = (): string => schedulerText(overview());
  return servePage({ host, port, path: "/metrics", contentType: EXPOSITION_TYPE, security, text });
}
