#include "registry.h"

#include <algorithm>

#include "function_description.h"
#include "function_version.h"

namespace locus {

Failure FunctionNotFound(std::string_view name) {
  return {Code::FUNCTION_NOT_FOUND, "there is no function " + Shown(name) + " here"};
}

Failure Registry::Prepare(std::string bundle, std::string description, Deployment* deployment, bool tried) {
  Description read;
  std::string version = VersionOf(bundle);
  if (Failure failure = ReadDescription(description, version, &read)) return failure;
  auto image = std::make_shared<FunctionImage>();
  image->name = std::move(read.name);
  image->version = std::move(version);
  image->bundle = std::move(bundle);
  image->limits = read.limits;
  image->tried = tried;
  deployment->image = std::move(image);
  deployment->description = std::move(description);
  return {};
}

const Deployment* Registry::Find(std::string_view name) const {
  const auto found = functions_.find(name);
  return found == functions_.end() ? nullptr : &found->second.front();
}

const Deployment* Registry::Find(std::string_view name, std::string_view version) const {
  const auto found = functions_.find(name);
  if (found == functions_.end()) return nullptr;
  const auto deployment = std::ranges::find_if(
      found->second, [&](const Deployment& candidate) { return candidate.image->version == version; });
  return deployment == found->second.end() ? nullptr : &*deployment;
}

bool Registry::Install(Deployment deployment) {
  const std::string name = deployment.image->name;
  if (functions_.size() >= kFunctionsMax && !functions_.contains(name)) return false;
  Versions& versions = functions_[name];
  std::erase_if(versions,
                [&](const Deployment& kept) { return kept.image->version == deployment.image->version; });
  versions.insert(versions.begin(), std::move(deployment));
  if (versions.size() > kVersionsKept) versions.resize(kVersionsKept);
  log_.NoteInstalled(name);
  return true;
}

bool Registry::Remove(std::string_view name) {
  const auto found = functions_.find(name);
  if (found == functions_.end()) return false;
  log_.NoteDeleted(found->first);
  functions_.erase(found);
  return true;
}

void Registry::Swap(Functions* functions) {
  functions_.swap(*functions);
  log_ = ChangeLog();
  for (const auto& [name, versions] : functions_) log_.NoteInstalled(name);
}

}  // namespace locus
