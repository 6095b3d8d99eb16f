// V8's platform in a sandbox host: Node's, with which each isolate is registered.
#pragma once

#include <node.h>
#include <v8.h>

#include <memory>
#include <mutex>
#include <vector>

namespace locus {

/// Holds what V8 would like to run on an isolate's thread later, until the isolate is gone. None of it runs: a turn is
/// the only place where an isolate does anything, so that its time is some call's.
class UnrunTasks final : public v8::TaskRunner {
 public:
  bool IdleTasksEnabled() override { return false; }
  bool NonNestableTasksEnabled() const override { return true; }
  bool NonNestableDelayedTasksEnabled() const override { return true; }
  /// Before the isolate is disposed of: what is posted later is dropped.
  void Close();

 private:
  void PostTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation&) override;
  void PostNonNestableTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation&) override;
  void PostDelayedTaskImpl(std::unique_ptr<v8::Task> task, double, const v8::SourceLocation&) override;
  void PostNonNestableDelayedTaskImpl(std::unique_ptr<v8::Task> task, double,
                                      const v8::SourceLocation&) override;
  void PostIdleTaskImpl(std::unique_ptr<v8::IdleTask>, const v8::SourceLocation&) override {}
  void Hold(std::unique_ptr<v8::Task> task);

  std::mutex mutex_;
  std::vector<std::unique_ptr<v8::Task>> tasks_;
  bool closed_ = false;
};

/// An isolate's entry in the platform, for as long as the isolate lives.
class PlatformEntry final : public node::IsolatePlatformDelegate {
 public:
  /// Once, on Node's main thread, before any entry is made.
  static void UsePlatformOf(v8::Isolate* main);

  /// An isolate that is allocated and not initialized.
  explicit PlatformEntry(v8::Isolate* isolate);
  ~PlatformEntry() { Remove(); }
  PlatformEntry(const PlatformEntry&) = delete;
  PlatformEntry& operator=(const PlatformEntry&) = delete;

  void CloseTasks() { tasks_->Close(); }
  /// Takes it out of the platform, before its address is given to another isolate.
  void Remove();

  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner() override { return tasks_; }
  bool IdleTasksEnabled() override { return false; }

 private:
  v8::Isolate* isolate_;
  std::shared_ptr<UnrunTasks> tasks_ = std::make_shared<UnrunTasks>();
};

}  // namespace locus
