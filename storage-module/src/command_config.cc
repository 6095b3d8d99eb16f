// LOCUS.CONFIG GET pattern | SET name value: the module's settings while Redis runs. Those that name programs
// or sizes are fixed at load.
#include "module.h"

namespace locus {

int CommandConfigGet(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 3) return redis::WrongArity(context);
  const auto settings = TheModule().settings.Match(std::string(TextOf(argv[2])));
  redis::ReplyWithArray(context, static_cast<long>(2 * settings.size()));
  for (const auto& [name, value] : settings) {
    ReplyText(context, name);
    ReplyText(context, value);
  }
  return redis::kOk;
}

int CommandConfigSet(RedisModuleCtx* context, RedisModuleString** argv, int argc) {
  if (argc != 4) return redis::WrongArity(context);
  Module& module = TheModule();
  if (const Failure failure = module.settings.Set(TextOf(argv[2]), TextOf(argv[3])))
    return ReplyFailure(context, failure);
  module.service.Apply(module.settings);
  return redis::ReplyWithSimpleString(context, "OK");
}

}  // namespace locus
