#include "run_options.h"

#include <nlohmann/json.hpp>

namespace locus {

namespace {

using Json = nlohmann::json;

/// Takes the options as they are parsed: a tree of them, built for each call, was a twentieth of what Redis works for one.
class OptionsReader : public nlohmann::json_sax<Json> {
 public:
  explicit OptionsReader(RunOptions* options) : options_(options) {}

  /// Which option is wrong, and why; empty where none is, or the text is no object.
  const std::string& mistake() const { return mistake_; }

  bool start_object(size_t /*elements*/) override {
    // Within the options each comes after a key.
    return expected_ == Expected::kNothing || IsWrong("an object");
  }
  bool end_object() override { return true; }

  bool key(std::string& name) override {
    if (name == "deadlineMs") {
      expected_ = Expected::kDeadlineMs;
    } else if (name == "backCpuUs") {
      expected_ = Expected::kBackCpuUs;
    } else if (name == "logs") {
      expected_ = Expected::kLogs;
    } else if (name == "id") {
      expected_ = Expected::kId;
    } else {
      mistake_ = "there is none named " + Shown(name) + ", only deadlineMs, backCpuUs, logs and id";
      return false;
    }
    return true;
  }

  bool number_unsigned(uint64_t value) override {
    const auto take = [&](int64_t max, int64_t* to) {
      if (value < 1 || value > static_cast<uint64_t>(max)) return IsWrong(Shown(std::to_string(value)));
      *to = static_cast<int64_t>(value);
      return true;
    };
    if (expected_ == Expected::kDeadlineMs) return take(kDeadlineMsMax, &options_->deadline_ms);
    if (expected_ == Expected::kBackCpuUs) return take(kBackCpuUsMax, &options_->back_cpu_us);
    return IsWrong(Shown(std::to_string(value)));
  }

  bool boolean(bool value) override {
    if (expected_ != Expected::kLogs) return IsWrong(value ? "true" : "false");
    options_->logs = value;
    return true;
  }

  bool string(std::string& value) override {
    if (expected_ != Expected::kId || value.empty() || value.size() > kCancelIdBytesMax)
      return IsWrong(Shown(value));
    options_->cancel_id = std::move(value);
    return true;
  }

  bool null() override { return IsWrong("null"); }
  bool number_integer(int64_t value) override { return IsWrong(Shown(std::to_string(value))); }
  bool number_float(double /*value*/, const std::string& text) override { return IsWrong(Shown(text)); }
  bool start_array(size_t /*elements*/) override { return IsWrong("an array"); }
  bool end_array() override { return true; }
  bool binary(Json::binary_t& /*value*/) override { return false; }  // none is in a text
  bool parse_error(size_t, const std::string& token, const nlohmann::detail::exception& error) override {
    return error.id == kNumberTooLarge && IsWrong(Shown(token));
  }

 private:
  /// The number by which nlohmann/json knows a number that no double holds (its exception "out_of_range.406").
  static constexpr int kNumberTooLarge = 406;

  enum class Expected { kNothing, kDeadlineMs, kBackCpuUs, kLogs, kId };

  bool IsWrong(const std::string& what) {
    const auto must_be = [&](const char* name, const std::string& must) {
      mistake_ = std::string(name) + " is " + what + ", must be " + must;
    };
    switch (expected_) {
      case Expected::kNothing:
        break;  // it is no object
      case Expected::kDeadlineMs:
        must_be("deadlineMs", "a whole number from 1 to " + std::to_string(kDeadlineMsMax));
        break;
      case Expected::kBackCpuUs:
        must_be("backCpuUs", "a whole number from 1 to " + std::to_string(kBackCpuUsMax));
        break;
      case Expected::kLogs:
        must_be("logs", "true or false");
        break;
      case Expected::kId:
        must_be("id", "a string of 1 to " + std::to_string(kCancelIdBytesMax) + " bytes");
        break;
    }
    return false;
  }

  RunOptions* const options_;
  Expected expected_ = Expected::kNothing;
  std::string mistake_;
};

}  // namespace

Failure ReadRunOptions(const char* command, std::string_view text, RunOptions* options) {
  const auto invalid = [command](const std::string& message) -> Failure {
    return {Code::REQUEST_INVALID, "options of " + std::string(command) + ": " + message};
  };
  if (text.size() > kOptionsBytesMax)
    return invalid("more than " + std::to_string(kOptionsBytesMax) + " bytes");
  OptionsReader reader(options);
  if (Json::sax_parse(text, &reader)) return {};
  return invalid(reader.mistake().empty() ? Shown(text) + " is no JSON object" : reader.mistake());
}

}  // namespace locus
