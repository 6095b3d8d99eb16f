// LOCUS.FUNCTION ISOLATES: how many isolates functions may have here, as whoever divides them among functions
// says (scheduler/reallocation/capacity-loop.ts), and what they have and want, by which that is decided. What
// was said ends by itself, so that whoever has died holds nobody back; in memory only, on this server only.
#include <algorithm>
#include <functional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "call_arguments.h"
#include "json_text.h"
#include "lane.h"
#include "module.h"

namespace locus {

namespace {

/// Chosen: whoever divides looks every second.
constexpr int64_t kTtlMsMax = 60'000;
/// `ttl-ms`, which names and numbers follow in turn.
constexpr int kTtlAt = 2;

/// Functions in one command, and in its answer: DIVIDED_MAX in scheduler/grpc/beat-bounds.ts.
constexpr size_t kDividedMax = 1'000;

using Bounds = std::unordered_map<std::string, uint32_t>;

/// A function that is not deployed is passed over: whoever divides need not have heard of its end yet.
Failure ReadBounds(Arguments pairs, Bounds* bounds) {
  if (pairs.size() % 2 != 0 || pairs.size() / 2 > kDividedMax)
    return {Code::REQUEST_INVALID,
            "after ttl-ms LOCUS.FUNCTION ISOLATES takes names and numbers in turn, of at most " +
                std::to_string(kDividedMax) + " functions"};
  const Registry& registry = TheModule().registry;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    const std::string_view name = TextOf(pairs[i]);
    int64_t most = 0;
    if (Failure failure = ReadNumber("most", TextOf(pairs[i + 1]), 1, kLanesMax - 1, &most)) return failure;
    if (registry.Find(name) == nullptr) continue;
    if (!bounds->emplace(name, static_cast<uint32_t>(most)).second)
      return {Code::REQUEST_INVALID, "the function " + Shown(name) + " is named twice"};
  }
  return {};
}

using NamedLoad = std::pair<std::string, Supervisor::Load>;

/// The deployed functions that have isolates or calls. At the bound, those with the most calls.
std::vector<NamedLoad> DividedLoads() {
  Module& module = TheModule();
  std::vector<NamedLoad> divided;
  for (auto& [name, load] : module.service.loads()) {
    if (load.isolates + load.waiting > 0 && module.registry.Find(name) != nullptr)
      divided.emplace_back(name, load);
  }
  if (divided.size() <= kDividedMax) return divided;
  const auto calls = [](const NamedLoad& named) { return named.second.busy + named.second.waiting; };
  std::ranges::nth_element(divided, divided.begin() + kDividedMax, std::ranges::greater(), calls);
  divided.resize(kDividedMax);
  return divided;
}

std::string LoadsJson() {
  Module& module = TheModule();
  std::string json = "{";
  AppendJsonNumber(&json, "isolatesMax", uint64_t{std::max(1u, module.service.isolates_max())});
  AppendJsonNumber(&json, "spread", module.settings.function_isolates_max());
  AppendJsonName(&json, "functions");
  json.push_back('{');
  for (const auto& [name, load] : DividedLoads()) {
    AppendJsonName(&json, name);
    json.push_back('{');
    AppendJsonNumber(&json, "isolates", load.isolates);
    AppendJsonNumber(&json, "busy", load.busy);
    AppendJsonNumber(&json, "waiting", load.waiting);
    json.push_back('}');
  }
  json += "}}";
  return json;
}

}  // namespace

int CommandFunctionIsolates(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc <= kTtlAt) return redis::WrongArity(context);
  int64_t ttl_ms = 0;
  Bounds bounds;
  Failure failure = ReadNumber("ttlMs", TextOf(argv[kTtlAt]), 1, kTtlMsMax, &ttl_ms);
  if (!failure) failure = ReadBounds({argv + kTtlAt + 1, static_cast<size_t>(argc - kTtlAt - 1)}, &bounds);
  if (failure) return ReplyFailure(context, failure);
  TheModule().service.Limit(std::move(bounds), NowNs() + ttl_ms * kMs);
  return ReplyText(context, LoadsJson());
}

}  // namespace locus
