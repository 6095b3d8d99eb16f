#include "registry.h"

#include <string>

#include "function_description.h"
#include "function_version.h"
#include "tests.h"

namespace {

using locus::Code;
using locus::Deployment;
using locus::Registry;

std::string Describe(std::string_view name, std::string_view bundle, std::string_view limits = "") {
  std::string json =
      R"({"name":")" + std::string(name) + R"(","version":")" + locus::VersionOf(bundle) + R"(",)";
  json += R"("limits":{"deadlineMs":5000,"cpuMs":5000,"memoryMb":64,"operations":1000,"concurrency":32)";
  return json + std::string(limits) + "}}";
}

Code CodeOf(std::string bundle, std::string description) {
  Deployment deployment;
  return Registry::Prepare(std::move(bundle), std::move(description), &deployment).code;
}

Deployment Deploy(const std::string& name, const std::string& bundle) {
  Deployment deployment;
  EXPECT(!Registry::Prepare(bundle, Describe(name, bundle), &deployment));
  return deployment;
}

void AVersionIsTheBeginningOfTheHash() {
  EXPECT(locus::VersionOf("") == "e3b0c44298fc1c14");
  EXPECT(locus::VersionOf("abc") == "ba7816bf8f01cfea");
}

void ADescriptionIsCheckedFieldByField() {
  EXPECT(CodeOf("b", Describe("khop", "b")) == Code::kOk);
  EXPECT(CodeOf("other", Describe("khop", "b")) == Code::FUNCTION_INVALID);
  EXPECT(CodeOf("b", Describe("Khop", "b")) == Code::FUNCTION_INVALID);
  EXPECT(CodeOf("b", Describe("khop", "b", R"(,"deadlineMs":0)")) == Code::FUNCTION_INVALID);
  EXPECT(CodeOf("b", Describe("khop", "b", R"(,"concurrency":257)")) == Code::FUNCTION_INVALID);
  EXPECT(CodeOf("b", Describe("khop", "b", R"(,"memoryMb":"64")")) == Code::FUNCTION_INVALID);
  for (const char* json : {"", "[]", "null", "{", "{}", R"({"name":"khop"})"})
    EXPECT(CodeOf("b", json) == Code::FUNCTION_INVALID);
  for (const std::string& hidden :
       {Describe("khop", "b") + std::string("\0x", 2), "\xef\xbb\xbf" + Describe("khop", "b")})
    EXPECT(CodeOf("b", hidden) == Code::FUNCTION_INVALID);
  EXPECT(CodeOf("b", std::string(locus::kDescriptionBytesMax + 1, ' ')) == Code::FUNCTION_INVALID);
}

void TheVersionBeforeIsKeptAndNoOther() {
  Registry registry;
  for (const char* bundle : {"one", "two", "three"}) EXPECT(registry.Install(Deploy("khop", bundle)));
  EXPECT(registry.Find("khop")->image->bundle == "three");
  EXPECT(registry.Find("khop", locus::VersionOf("two")) != nullptr);
  EXPECT(registry.Find("khop", locus::VersionOf("one")) == nullptr);
  EXPECT(registry.Find("other") == nullptr);
}

void GoingBackMakesTheOldVersionCurrentAgain() {
  Registry registry;
  for (const char* bundle : {"one", "two", "one"}) EXPECT(registry.Install(Deploy("khop", bundle)));
  EXPECT(registry.Find("khop")->image->bundle == "one");
  EXPECT(registry.functions().at("khop").size() == 2);
}

void ThereIsABoundOnFunctions() {
  Registry registry;
  for (size_t i = 0; i < locus::kFunctionsMax; i++)
    EXPECT(registry.Install(Deploy("f" + std::to_string(i), "bundle")));
  EXPECT(!registry.Install(Deploy("onemore", "bundle")));
  EXPECT(registry.Install(Deploy("f0", "replaced")));
  EXPECT(registry.Remove("f1") && !registry.Remove("f1"));
  EXPECT(registry.Install(Deploy("onemore", "bundle")));
}

/// The names that changed after the cursor, in order.
std::string ChangedSince(const Registry& registry, const std::string& cursor) {
  const locus::ChangeLog& log = registry.log();
  std::string names;
  const auto& changes = log.changes();
  for (auto at = changes.upper_bound(log.NumberOf(cursor)); at != changes.end(); ++at)
    names += at->second + " ";
  return names;
}

std::string LastCursor(const Registry& registry) {
  const auto& changes = registry.log().changes();
  return registry.log().CursorAt(changes.empty() ? 0 : changes.rbegin()->first);
}

void AReaderIsToldOfEachChangeOnce() {
  Registry registry;
  for (const char* name : {"a", "b", "c"}) EXPECT(registry.Install(Deploy(name, "one")));
  const std::string cursor = LastCursor(registry);
  EXPECT(ChangedSince(registry, "") == "a b c " && ChangedSince(registry, cursor).empty());
  EXPECT(registry.Install(Deploy("a", "two")) && registry.Remove("c") && registry.Remove("b"));
  EXPECT(registry.Install(Deploy("b", "two")));
  EXPECT(ChangedSince(registry, cursor) == "a c b ");
  EXPECT(ChangedSince(registry, "") == "a c b ");
}

void ACursorOfNoReadingBeginsAtTheBeginning() {
  Registry registry;
  EXPECT(registry.Install(Deploy("a", "one")));
  const std::string cursor = LastCursor(registry);
  const std::string id = cursor.substr(0, cursor.find('-'));
  for (const std::string& foreign :
       {std::string("0"), std::string("1-1"), id, id + "-", id + "-2", id + "-1x", id + "--1",
        id + "-99999999999999999999", LastCursor(Registry())})
    EXPECT(registry.log().NumberOf(foreign) == 0);
  EXPECT(registry.log().NumberOf(cursor) == 1);
  Registry::Functions others;
  registry.Swap(&others);
  EXPECT(registry.log().NumberOf(cursor) == 0 && registry.log().changes().empty());
}

void AReaderThatMissedAForgottenDeletionReadsAll() {
  Registry registry;
  EXPECT(registry.Install(Deploy("a", "one")) && registry.Install(Deploy("b", "one")));
  const std::string before = LastCursor(registry);
  EXPECT(registry.Remove("a"));
  const std::string after = LastCursor(registry);
  for (size_t i = 0; i < locus::kDeletionsKept; i++)
    EXPECT(registry.Install(Deploy("c", "one")) && registry.Remove("c"));
  EXPECT(registry.log().NumberOf(before) == 0 && registry.log().NumberOf(after) != 0);
  EXPECT(ChangedSince(registry, before) == "b c ");
}

}  // namespace

void TestRegistry() {
  AVersionIsTheBeginningOfTheHash();
  ADescriptionIsCheckedFieldByField();
  TheVersionBeforeIsKeptAndNoOther();
  GoingBackMakesTheOldVersionCurrentAgain();
  ThereIsABoundOnFunctions();
  AReaderIsToldOfEachChangeOnce();
  ACursorOfNoReadingBeginsAtTheBeginning();
  AReaderThatMissedAForgottenDeletionReadsAll();
}
