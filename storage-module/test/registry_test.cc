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

}  // namespace

void TestRegistry() {
  AVersionIsTheBeginningOfTheHash();
  ADescriptionIsCheckedFieldByField();
  TheVersionBeforeIsKeptAndNoOther();
  GoingBackMakesTheOldVersionCurrentAgain();
  ThereIsABoundOnFunctions();
}
