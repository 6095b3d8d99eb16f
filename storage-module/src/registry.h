// The functions of this server, by name, in their current version and the one before, so that a call admitted
// just before a replacement still runs what it was admitted for. Plain data: who may change it, how it is
// kept and who is told is in command_function.cc and registry_persistence.cc. Guarded by Redis' global lock,
// since a forked child saves it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "change_log.h"
#include "reply.h"
#include "supervisor.h"

namespace locus {

/// Versions of one function that are kept, the current one first.
constexpr size_t kVersionsKept = 2;
/// Functions on one server. 10,000 small ones take Redis about 10 MB and a tenth of a second at its start.
constexpr size_t kFunctionsMax = 10'000;

struct Deployment {
  std::shared_ptr<const FunctionImage> image;
  std::string description;  ///< JSON
};

/// There is no function of that name.
Failure FunctionNotFound(std::string_view name);

class Registry {
 public:
  /// Current first; never empty.
  using Versions = std::vector<Deployment>;
  using Functions = std::map<std::string, Versions, std::less<>>;

  /// The bundle and its description as a deployment, everything in it checked. `tried`: it will not be one.
  static Failure Prepare(std::string bundle, std::string description, Deployment* deployment,
                         bool tried = false);

  /// Null where there is none of that name.
  const Deployment* Find(std::string_view name) const;
  /// Null where that version is not, or no longer, kept.
  const Deployment* Find(std::string_view name, std::string_view version) const;
  /// Makes it the current version. False when there would be more than `kFunctionsMax` functions.
  bool Install(Deployment deployment);
  bool Remove(std::string_view name);
  /// Puts others in their place. The log begins anew, so that all readers read all of them.
  void Swap(Functions* functions);
  const Functions& functions() const { return functions_; }
  const ChangeLog& log() const { return log_; }

 private:
  Functions functions_;
  ChangeLog log_;
};

}  // namespace locus
