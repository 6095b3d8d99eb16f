// Where Redis finds the module: OnLoad reads the settings, registers the commands of one table, and starts
// the service thread. What each command does is in its own file.
#include "module.h"

#include <cctype>
#include <string>
#include <vector>

#include "woken_client.h"

namespace locus {

namespace {

struct CommandRow {
  const char* name;
  /// A subcommand of `name`; null for a command of its own, or for a container.
  const char* subcommand;
  redis::CommandHandler handler;  ///< null: a container of subcommands
  const char* flags;
  /// As Redis counts it: with the names, -n for n or more.
  int arity;
  /// Position of `numkeys`, which the keys follow; 0: no keys.
  int numkeys_at;
  /// As HELP shows them, behind the names.
  const char* arguments;
  const char* summary;
};

int CommandHelp(RedisModuleCtx* context, RedisModuleString** argv, int argc);

/// HELP answers in any state of the server, as Redis' own do.
constexpr const char* kHelpFlags = "allow-loading allow-stale";

/// Each is an ACL right of its own (`+locus.call`, `+locus.function|list`). `write` makes Redis refuse a
/// command on a replica and hold it back while clients are paused; LOCUS.CALL is none, so that functions may
/// read on replicas: each operation is checked by itself.
constexpr CommandRow kCommands[] = {
    {"locus.call", nullptr, CommandCall, "blocking no-mandatory-keys getkeys-api", -3, kNumkeysOfCall,
     "<function> <numkeys> [<key> ...] [<arg> ...]",
     "Runs a function next to the data and replies its result as JSON"},
    {"locus.node", nullptr, nullptr, "", -2, 0, "", "What compute nodes ask of the storage side"},
    {"locus.node", "run", CommandNodeRun, "blocking no-mandatory-keys getkeys-api", -7, kNumkeysOfRun,
     "<function> <version>|* <numkeys> [<key> ...] <options> <args>",
     "Runs a function in a given version; replies outcome, version, usage, logs and result"},
    {"locus.node", "try", CommandNodeTry, "blocking no-mandatory-keys getkeys-api", -7, kNumkeysOfRun,
     "<bundle> <description> <numkeys> [<key> ...] <options> <args>",
     "Runs a function that is not deployed, once; replies as RUN does"},
    {"locus.node", "cancel", CommandNodeCancel, "fast", 3, 0, "<id>",
     "Cancels a run of the same user by its id"},
    {"locus.node", "act", CommandNodeAct, "fast deny-script", 3, 0, "<user>",
     "Gives this connection the rights of another user, and no others"},
    {"locus.node", "attach", CommandNodeAttach, "no-monitor no-slowlog deny-script", -4, 0,
     "<node-id> <secret> [SPEAKS]", "Makes this connection one of a node that takes calls"},
    {"locus.node", "detach", CommandNodeDetach, "fast", 2, 0, "",
     "Hands this connection's node no more calls; replies how many it has still to give"},
    {"locus.node", "take", CommandNodeTake, "blocking", 4, 0, "<max> <timeout-ms>",
     "Replies calls for this connection's node, ids of calls that nobody waits for any more, and wanted "
     "users"},
    {"locus.node", "give", CommandNodeGive, "fast", -5, 0,
     "<id> (OK <usage> <result> | ERROR <usage> <error> | BACK <reason>)",
     "Says what became of a call that was taken; replies whether somebody waited for it"},
    {"locus.node", "writes", CommandNodeWrites, "fast", 3, 0, "<id>",
     "Says that a call that was taken is about to write; replies whether it still may"},
    {"locus.node", "samples", CommandNodeSamples, "blocking", 3, 0, "<timeout-ms>",
     "Replies what calls came to that reached this server without a node, a window at a time"},
    {"locus.node", "help", CommandHelp, kHelpFlags, 2, 0, "", "Prints this help"},
    {"locus.plan", nullptr, nullptr, "", -2, 0, "", "The plan that LOCUS.CALL follows on this server"},
    {"locus.plan", "get", CommandPlanGet, "readonly", 2, 0, "", "Replies the plan as JSON"},
    {"locus.plan", "set", CommandPlanSet, "deny-oom", 3, 0, "<json>",
     "Follows a plan if it is later than the one that is followed"},
    {"locus.plan", "help", CommandHelp, kHelpFlags, 2, 0, "", "Prints this help"},
    {"locus.function", nullptr, nullptr, "", -2, 0, "", "The registry of functions"},
    {"locus.function", "load", CommandFunctionLoad, "write deny-oom blocking", -3, 0, "[REPLACE] <bundle>",
     "Checks a bundle and deploys its function; replies name and version"},
    {"locus.function", "list", CommandFunctionList, "readonly", -2, 0, "[AFTER <name>] [LIMIT <count>]",
     "Replies name, version and description of functions by name, a page at a time"},
    {"locus.function", "changes", CommandFunctionChanges, "readonly", 3, 0, "<cursor>",
     "Replies which functions changed since a cursor, a page at a time, and the next cursor"},
    {"locus.function", "dump", CommandFunctionDump, "readonly", -3, 0, "<name> [<version>]",
     "Replies name, version and bundle"},
    {"locus.function", "delete", CommandFunctionDelete, "write", 3, 0, "<name>", "Removes a function"},
    {"locus.function", "stats", CommandFunctionStats, "readonly", -2, 0,
     "[<name> | [AFTER <name>] [LIMIT <count>]]",
     "Replies what calls of functions used, how they ended, and what isolates they have, a page at a time"},
    {"locus.function", "isolates", CommandFunctionIsolates, "", -3, 0, "<ttl-ms> [<name> <most> ...]",
     "Says how many isolates functions may have at most for a while; replies what they have"},
    {"locus.function", "help", CommandHelp, kHelpFlags, 2, 0, "", "Prints this help"},
    {"locus.trace", nullptr, nullptr, "", -2, 0, "",
     "What slow and failed calls of clients were at, and when"},
    {"locus.trace", "get", CommandTraceGet, "admin allow-loading allow-stale", -2, 0, "[<count>]",
     "Replies the traces of the last calls that were slow, failed or did not stay where they began"},
    {"locus.trace", "len", CommandTraceLen, "admin allow-loading allow-stale", 2, 0, "",
     "Replies how many traces are kept"},
    {"locus.trace", "reset", CommandTraceReset, "admin allow-loading allow-stale", 2, 0, "",
     "Forgets all traces"},
    {"locus.trace", "help", CommandHelp, kHelpFlags, 2, 0, "", "Prints this help"},
    {"locus.config", nullptr, nullptr, "", -2, 0, "", "The module's settings"},
    {"locus.config", "get", CommandConfigGet, "admin allow-loading allow-stale", 3, 0, "<pattern>",
     "Replies the settings that match a pattern"},
    {"locus.config", "set", CommandConfigSet, "admin allow-stale", 4, 0, "<name> <value>",
     "Changes a setting"},
    {"locus.config", "help", CommandHelp, kHelpFlags, 2, 0, "", "Prints this help"},
    {"locus.info", nullptr, CommandInfo, "fast allow-loading allow-stale", 1, 0, "",
     "Replies the state of the module, its hosts and its counters"},
};

std::string UpperCase(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

/// Name and arguments of each subcommand, and below it what it does, as Redis' own HELP shows them.
int CommandHelp(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 2) return redis::WrongArity(context);
  const std::string container = UpperCase(TextOf(argv[0]));
  std::vector<std::string> lines = {container + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"};
  for (const CommandRow& row : kCommands) {
    if (row.subcommand == nullptr || UpperCase(row.name) != container) continue;
    const std::string arguments(row.arguments);
    lines.push_back(UpperCase(row.subcommand) + (arguments.empty() ? "" : " ") + arguments);
    lines.push_back("    " + std::string(row.summary) + ".");
  }
  redis::ReplyWithArray(context, static_cast<long>(lines.size()));
  for (const std::string& line : lines) redis::ReplyWithSimpleString(context, line.c_str());
  return redis::kOk;
}

/// Keys by `numkeys`: how a cluster routes the call, and what a user must have some right to. Which right
/// each operation needs is checked when it runs.
RedisModuleCommand* Register(RedisModuleCtx* context, const CommandRow& row) {
  if (row.subcommand == nullptr) {
    if (redis::CreateCommand(context, row.name, row.handler, row.flags, 0, 0, 0) != redis::kOk)
      return nullptr;
    return redis::GetCommand(context, row.name);
  }
  RedisModuleCommand* parent = redis::GetCommand(context, row.name);
  if (parent == nullptr ||
      redis::CreateSubcommand(parent, row.subcommand, row.handler, row.flags, 0, 0, 0) != redis::kOk)
    return nullptr;
  return redis::GetCommand(context, (std::string(row.name) + "|" + row.subcommand).c_str());
}

bool RegisterCommand(RedisModuleCtx* context, const CommandRow& row) {
  RedisModuleCommand* command = Register(context, row);
  if (command == nullptr) return false;
  redis::KeySpec specs[2] = {};
  specs[0].flags = redis::kKeySpecReadWrite;
  specs[0].begin_search = redis::kBeginSearchIndex;
  specs[0].begin.index.position = row.numkeys_at;
  specs[0].find_keys = redis::kFindKeysCounted;
  specs[0].find.counted = {0, 1, 1};
  redis::CommandInfo info;
  info.summary = row.summary;
  info.since = kModuleVersion;
  info.arity = row.arity;
  if (row.numkeys_at != 0) info.key_specs = specs;
  return redis::SetCommandInfo(command, &info) == redis::kOk;
}

void OnRoleChanged(RedisModuleCtx*, redis::ServerEvent, uint64_t role, void*) {
  TheModule().service.SetPrimary(role == redis::kRoleNowPrimary);
}

void OnClientChanged(RedisModuleCtx*, redis::ServerEvent, uint64_t change, void* client) {
  if (change != redis::kClientDisconnected) return;
  const uint64_t id = static_cast<const redis::ClientInfo*>(client)->id;
  NoteClosing(id);
  TheModule().nodes.OnClosing(id);
}

bool Refuse(RedisModuleCtx* context, const std::string& why) {
  redis::Log(context, "warning", "locus is not loaded: %s", why.c_str());
  return false;
}

bool Load(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  Module& module = TheModule();
  if (const Failure failure = module.settings.ReadArguments(argv, argc))
    return Refuse(context, failure.message);
  for (const CommandRow& row : kCommands) {
    if (!RegisterCommand(context, row))
      return Refuse(context, std::string("Redis takes no command ") + row.name);
  }
  if (!RegisterPersistence(context) || redis::RegisterInfoFunc(context, WriteInfoSection) != redis::kOk ||
      redis::SubscribeToServerEvent(context, redis::kRoleChanged, OnRoleChanged) != redis::kOk ||
      redis::SubscribeToServerEvent(context, redis::kClientChange, OnClientChanged) != redis::kOk)
    return Refuse(context, "Redis takes no data type, INFO section or event of a module");
  module.log.Open(redis::GetDetachedThreadSafeContext(context));
  const auto on_log = [&module](std::string_view source, std::string_view text) {
    module.log.Write(source, text);
  };
  if (!module.timers.Open() || !module.service.Start(context, module.settings, on_log))
    return Refuse(context, "no eventfd or timerfd, or no place for one in Redis' event loop");
  const Failure obstacle = CheckEnabled();
  if (obstacle) redis::Log(context, "warning", "%s", obstacle.message.c_str());
  return true;
}

}  // namespace

Module& TheModule() {
  static Module* const module = new Module;
  return *module;
}

}  // namespace locus

extern "C" __attribute__((visibility("default"))) int RedisModule_OnLoad(RedisModuleCtx* context,
                                                                         RedisModuleString** argv, int argc) {
  using namespace locus;
  // Without SetModuleAttribs there is no context to log with: Redis then says that the module failed.
  const std::string missing = redis::LoadRedisApi(context);
  if (!missing.empty()) {
    if (redis::Log != nullptr)
      redis::Log(context, "warning", "locus needs Redis 7.0 or newer, or Valkey: this server has no %s",
                 missing.c_str());
    return 1;
  }
  if (redis::IsModuleNameBusy(kModuleName) != 0) return 1;
  redis::SetModuleAttribs(context, kModuleName, kModuleVersionNumber, redis::kApiVersion);
  return Load(context, argv, argc) ? redis::kOk : 1;
}
