#include "guest_platform.h"

#include <utility>

namespace locus {

namespace {

/// V8 asks for a task of each kind once. More come only of programs that ask again and again; these are dropped.
constexpr size_t kTasksMax = 256;

node::MultiIsolatePlatform* platform = nullptr;

}  // namespace

void UnrunTasks::Hold(std::unique_ptr<v8::Task> task) {
  const std::lock_guard lock(mutex_);
  if (!closed_ && tasks_.size() < kTasksMax) tasks_.push_back(std::move(task));
}

void UnrunTasks::Close() {
  std::vector<std::unique_ptr<v8::Task>> tasks;
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    tasks.swap(tasks_);
  }
}

void UnrunTasks::PostTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation&) {
  Hold(std::move(task));
}

void UnrunTasks::PostNonNestableTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation&) {
  Hold(std::move(task));
}

void UnrunTasks::PostDelayedTaskImpl(std::unique_ptr<v8::Task> task, double, const v8::SourceLocation&) {
  Hold(std::move(task));
}

void UnrunTasks::PostNonNestableDelayedTaskImpl(std::unique_ptr<v8::Task> task, double,
                                                const v8::SourceLocation&) {
  Hold(std::move(task));
}

void PlatformEntry::UsePlatformOf(v8::Isolate* main) {
  platform = node::GetMultiIsolatePlatform(node::GetCurrentEnvironment(main->GetCurrentContext()));
}

PlatformEntry::PlatformEntry(v8::Isolate* isolate) : isolate_(isolate) {
  platform->RegisterIsolate(isolate, this);
}

void PlatformEntry::Remove() {
  if (isolate_ != nullptr) platform->UnregisterIsolate(std::exchange(isolate_, nullptr));
}

}  // namespace locus
