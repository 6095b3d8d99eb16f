// LOCUS.FUNCTION LOAD | DELETE | DUMP: the registry (LIST, CHANGES, STATS: command_function_pages.cc;
// ISOLATES: command_isolates.cc). It is kept as Redis' own functions are: in the RDB, replicated, in the AOF.
// A bundle is checked in a sandbox host before it is accepted; what a primary sends, or an AOF holds, was
// checked there and comes with what was found: LOAD REPLACE bundle DESCRIPTION json.
#include <atomic>
#include <memory>
#include <unordered_map>

#include "function_description.h"
#include "function_news.h"
#include "module.h"
#include "server_config.h"
#include "woken_client.h"

namespace locus {

namespace {

/// Bundles that are checked at once; one more is refused. Chosen, not measured.
constexpr size_t kLoadsMax = 16;

struct PendingLoad {
  std::string bundle;
  bool replace = false;
  CheckResult result;
  RedisModuleBlockedClient* client = nullptr;
  std::atomic<bool> answered = false;  ///< the client has been unblocked with the result
};

/// Main thread only.
std::unordered_map<RedisModuleBlockedClient*, PendingLoad*> loads_in_flight;

int ReplyLoaded(RedisModuleCtx* context, const FunctionImage& image) {
  redis::ReplyWithArray(context, 2);
  ReplyText(context, image.name);
  return ReplyText(context, image.version);
}

Failure TooMany() {
  return {Code::STORAGE_REFUSED,
          "this Redis keeps " + std::to_string(kFunctionsMax) + " functions, its most: delete one first"};
}

/// An AOF without an RDB in front loses what is in no key when it is rewritten.
Failure CheckKept(RedisModuleCtx* context) {
  if ((redis::GetContextFlags(context) & redis::kAppendsToFile) == 0) return {};
  const std::string preamble = ReadServerConfig(context, "aof-use-rdb-preamble");
  if (preamble == "yes") return {};
  // Nothing else tells, and to keep a function until the next rewrite only is worse than to refuse it.
  if (preamble.empty())
    return {Code::STORAGE_REFUSED,
            "whether functions would be lost when the AOF is rewritten cannot be known here, where CONFIG "
            "is renamed or removed: give it its name back, or set appendonly no, and start Redis again"};
  return {Code::STORAGE_REFUSED,
          "functions would be lost when the AOF is rewritten: CONFIG SET aof-use-rdb-preamble yes first"};
}

// ---- LOAD of a client: a host reads the bundle, then the main thread installs it

/// On the main thread, once the host has answered.
Failure Install(RedisModuleCtx* context, PendingLoad& load, Deployment* deployment) {
  Module& module = TheModule();
  if (load.result.code != Code::kOk) return {load.result.code, load.result.message};
  if (Failure failure =
          Registry::Prepare(std::move(load.bundle), std::move(load.result.description), deployment))
    return failure;
  const std::string& name = deployment->image->name;
  // What may have changed while the bundle was read.
  if ((redis::GetContextFlags(context) & redis::kIsPrimary) == 0 || redis::AvoidReplicaTraffic() != 0)
    return {Code::STORAGE_REFUSED, "this Redis became a replica, or paused its clients, while it checked " +
                                       name + ": load it again"};
  if (!load.replace && module.registry.Find(name) != nullptr)
    return {Code::FUNCTION_EXISTS, "there is a function " + name + " already: LOCUS.FUNCTION LOAD REPLACE"};
  if (!module.registry.Install(*deployment)) return TooMany();
  const FunctionImage& image = *deployment->image;
  redis::Replicate(context, "LOCUS.FUNCTION", "ccbcb", "LOAD", "REPLACE", image.bundle.data(),
                   image.bundle.size(), "DESCRIPTION", deployment->description.data(),
                   deployment->description.size());
  AnnounceFunction(context, "load", image.name, image.version);
  return {};
}

int OnChecked(RedisModuleCtx* context, RedisModuleString**, int) {
  auto& load = *static_cast<PendingLoad*>(redis::GetBlockedClientPrivateData(context));
  Deployment deployment;
  if (const Failure failure = Install(context, load, &deployment)) return ReplyFailure(context, failure);
  return ReplyLoaded(context, *deployment.image);
}

// CLIENT UNBLOCK: of a client that waits no more nothing is installed.
int OnLoaderUnblocked(RedisModuleCtx* context, RedisModuleString**, int) {
  return ReplyFailure(
      context,
      {Code::CANCELLED, "nothing was deployed: CLIENT UNBLOCK woke the client that waited for its check"});
}

void OnLoaderGone(RedisModuleCtx* context, RedisModuleBlockedClient* client) {
  if (loads_in_flight.at(client)->answered.load()) CloseIfWoken(context);
}

void OnLoadDone(RedisModuleCtx*, void* data) {
  const std::unique_ptr<PendingLoad> load(static_cast<PendingLoad*>(data));
  loads_in_flight.erase(load->client);
}

int StartLoad(RedisModuleCtx* context, std::string_view bundle, bool replace) {
  if (const Failure failure = CheckByItself(context, "LOCUS.FUNCTION LOAD"))
    return ReplyFailure(context, failure);
  if (const Failure failure = CheckEnabled()) return ReplyFailure(context, failure);
  if (const Failure failure = CheckBundleBytes(bundle)) return ReplyFailure(context, failure);
  if (const Failure failure = CheckKept(context)) return ReplyFailure(context, failure);
  if (loads_in_flight.size() == kLoadsMax)
    return ReplyFailure(context,
                        {Code::OVERLOADED,
                         std::to_string(kLoadsMax) + " bundles are being checked already: try again later"});
  auto* load = new PendingLoad{std::string(bundle), replace, {}};
  load->client = redis::BlockClient(context, OnChecked, OnLoaderUnblocked, OnLoadDone, 0);
  redis::SetDisconnectCallback(load->client, OnLoaderGone);
  loads_in_flight.emplace(load->client, load);
  TheModule().service.Check(load->bundle, [load](CheckResult&& result) {
    load->result = std::move(result);
    load->answered.store(true);
    redis::UnblockClient(load->client, load);
  });
  return redis::kOk;
}

// ---- LOAD as a primary replicates it, or an AOF holds it

int LoadUnchecked(RedisModuleCtx* context, std::string_view bundle, std::string_view description) {
  const int flags = redis::GetContextFlags(context);
  if ((flags & (redis::kIsReplicated | redis::kIsLoading)) == 0)
    return ReplyFailure(context, {Code::REQUEST_INVALID,
                                  "DESCRIPTION is for replication: a bundle is described by "
                                  "checking it"});
  Deployment deployment;
  Failure failure = CheckBundleBytes(bundle);
  if (!failure) failure = Registry::Prepare(std::string(bundle), std::string(description), &deployment);
  if (!failure && !TheModule().registry.Install(deployment)) failure = TooMany();
  if (failure) {
    redis::Log(context, "warning", "a function that was replicated or kept could not be taken: %s",
               OneLine(failure.message).c_str());
    return ReplyFailure(context, failure);
  }
  redis::ReplicateVerbatim(context);
  AnnounceFunction(context, "load", deployment.image->name, deployment.image->version);
  return ReplyLoaded(context, *deployment.image);
}

}  // namespace

int CommandFunctionLoad(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc == 3) return StartLoad(context, TextOf(argv[2]), /*replace=*/false);
  const bool replace = argc > 3 && IsWord(TextOf(argv[2]), "REPLACE");
  if (argc == 4 && replace) return StartLoad(context, TextOf(argv[3]), /*replace=*/true);
  if (argc == 6 && replace && IsWord(TextOf(argv[4]), "DESCRIPTION"))
    return LoadUnchecked(context, TextOf(argv[3]), TextOf(argv[5]));
  return ReplyFailure(context, {Code::REQUEST_INVALID, "usage: LOCUS.FUNCTION LOAD [REPLACE] bundle"});
}

int CommandFunctionDump(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3 && argc != 4) return redis::WrongArity(context);
  const Registry& registry = TheModule().registry;
  const std::string_view name = TextOf(argv[2]);
  const Deployment* deployment = registry.Find(name);
  if (deployment == nullptr) return ReplyFailure(context, FunctionNotFound(name));
  if (argc == 4) deployment = registry.Find(name, TextOf(argv[3]));
  if (deployment == nullptr)
    return ReplyFailure(
        context, {Code::VERSION_NOT_FOUND, "the function " + std::string(name) +
                                               " is here, but not in version " + Shown(TextOf(argv[3]))});
  redis::ReplyWithArray(context, 3);
  ReplyText(context, deployment->image->name);
  ReplyText(context, deployment->image->version);
  return ReplyText(context, deployment->image->bundle);
}

int CommandFunctionDelete(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  const std::string_view name = TextOf(argv[2]);
  if (!TheModule().registry.Remove(name)) return ReplyFailure(context, FunctionNotFound(name));
  TheModule().stats.Forget(name);
  redis::ReplicateVerbatim(context);
  AnnounceFunction(context, "delete", name, "");
  return redis::ReplyWithSimpleString(context, "OK");
}

}  // namespace locus
