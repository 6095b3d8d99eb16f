// LOCUS.FUNCTION LIST | CHANGES | STATS: what functions there are, a page at a time. LIST and STATS go by
// name and are for people. CHANGES goes by the order of the changes and is for nodes, which keep a mirror.
#include <span>

#include "call_arguments.h"
#include "module.h"

namespace locus {

namespace {

/// Functions on one page, and bytes of descriptions at which it ends: Redis serves nobody else meanwhile.
constexpr int64_t kPageFunctionsMax = 500;
constexpr size_t kPageBytesMax = 256 * 1024;

/// Where a page begins, and how many functions it has at most.
struct Page {
  std::string_view after;
  int64_t limit = kPageFunctionsMax;
};

/// `[AFTER name] [LIMIT count]`.
Failure ReadPage(const char* command, Arguments options, Page* page) {
  for (; options.size() >= 2; options = options.subspan(2)) {
    if (IsWord(TextOf(options[0]), "AFTER")) {
      page->after = TextOf(options[1]);
    } else if (IsWord(TextOf(options[0]), "LIMIT")) {
      if (Failure failure = ReadNumber("LIMIT", TextOf(options[1]), 1, kPageFunctionsMax, &page->limit))
        return failure;
    } else {
      break;
    }
  }
  if (options.empty()) return {};
  return {Code::REQUEST_INVALID,
          std::string("usage: LOCUS.FUNCTION ") + command + " [AFTER name] [LIMIT count]"};
}

using Entry = Registry::Functions::value_type;

/// The functions of a page, by name. It has at least one, unless there is none after its beginning.
std::vector<const Entry*> FunctionsOf(const Page& page) {
  const Registry::Functions& functions = TheModule().registry.functions();
  std::vector<const Entry*> entries;
  size_t bytes = 0;
  for (auto at = functions.upper_bound(page.after); at != functions.end(); ++at) {
    if (static_cast<int64_t>(entries.size()) == page.limit || bytes >= kPageBytesMax) break;
    bytes += at->second.front().description.size();
    entries.push_back(&*at);
  }
  return entries;
}

void ReplyCurrent(RedisModuleCtx* context, const std::string& name, const Deployment& current) {
  redis::ReplyWithArray(context, 3);
  ReplyText(context, name);
  ReplyText(context, current.image->version);
  ReplyText(context, current.description);
}

}  // namespace

int CommandFunctionList(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  Page page;
  if (Failure failure = ReadPage("LIST", {argv + 2, static_cast<size_t>(argc - 2)}, &page))
    return ReplyFailure(context, failure);
  const std::vector<const Entry*> entries = FunctionsOf(page);
  redis::ReplyWithArray(context, static_cast<long>(entries.size()));
  for (const Entry* entry : entries) ReplyCurrent(context, entry->first, entry->second.front());
  return redis::kOk;
}

int CommandFunctionChanges(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  const Registry& registry = TheModule().registry;
  const ChangeLog& log = registry.log();
  const uint64_t after = log.NumberOf(TextOf(argv[2]));
  const auto first = log.changes().upper_bound(after);
  auto end = first;
  int64_t count = 0;
  for (size_t bytes = 0; end != log.changes().end(); ++end, ++count) {
    if (count == kPageFunctionsMax || bytes >= kPageBytesMax) break;
    const Deployment* current = registry.Find(end->second);
    if (current != nullptr) bytes += current->description.size();
  }
  redis::ReplyWithArray(context, 4);
  ReplyText(context, log.CursorAt(count == 0 ? after : std::prev(end)->first));
  redis::ReplyWithLongLong(context, after == 0 ? 1 : 0);
  redis::ReplyWithLongLong(context, end == log.changes().end() ? 0 : 1);
  redis::ReplyWithArray(context, static_cast<long>(count));
  for (auto change = first; change != end; ++change) {
    const Deployment* current = registry.Find(change->second);
    if (current != nullptr) {
      ReplyCurrent(context, change->second, *current);
    } else {
      redis::ReplyWithArray(context, 1);
      ReplyText(context, change->second);
    }
  }
  return redis::kOk;
}

int CommandFunctionStats(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  Module& module = TheModule();
  const Supervisor::Loads loads = module.service.loads();
  const Supervisor::Load none = {.isolates_max = module.settings.function_isolates_max()};
  const auto reply_one = [&](const std::string& name) {
    const auto load = loads.find(name);
    redis::ReplyWithArray(context, 2);
    ReplyText(context, name);
    ReplyText(context, module.stats.Json(name, load == loads.end() ? none : load->second));
  };
  if (argc == 3) {
    const std::string name(TextOf(argv[2]));
    if (module.registry.Find(name) == nullptr) return ReplyFailure(context, FunctionNotFound(name));
    redis::ReplyWithArray(context, 1);
    reply_one(name);
    return redis::kOk;
  }
  Page page;
  if (Failure failure = ReadPage("STATS", {argv + 2, static_cast<size_t>(argc - 2)}, &page))
    return ReplyFailure(context, failure);
  const std::vector<const Entry*> entries = FunctionsOf(page);
  redis::ReplyWithArray(context, static_cast<long>(entries.size()));
  for (const Entry* entry : entries) reply_one(entry->first);
  return redis::kOk;
}

}  // namespace locus
