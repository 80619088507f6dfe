#include "cli/support_pipeline.h"

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <variant>

#include "base/storage_options.h"
#include "cli/support_files.h"
#include "config/keys.h"
#include "config/toml_document.h"
#include "lake/lock.h"
#include "serve/access.h"

namespace inlet::cli {
namespace {

namespace fs = std::filesystem;

// Variables that the libraries of object stores take their secrets from.
constexpr std::array kStoreSecrets = {"AWS_ACCESS_KEY_ID",         "AWS_SECRET_ACCESS_KEY",    "AWS_SESSION_TOKEN",
                                      "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_SAS_KEY",
                                      "AZURE_STORAGE_SAS_TOKEN",   "AZURE_STORAGE_TOKEN",      "AZURE_CLIENT_SECRET",
                                      "GOOGLE_SERVICE_ACCOUNT_KEY"};

std::string text_at(const config::TomlValue& document, const std::string& table, const std::string& key) {
  for (const auto& entry : document.entries) {
    if (entry.key != table) continue;
    for (const auto& inner : entry.value.entries)
      if (inner.key == key && inner.value.kind == config::TomlValue::Kind::kText) return inner.value.text;
  }
  return {};
}

// What a file says even when it is no pipeline file, under what variables and flags say.
class Reading {
 public:
  Reading(const std::string& file, const config::LoadOptions& options) : file_(file), options_(options) {}

  SupportPipeline read() && {
    read_text();
    for (const auto& [variable, value] : options_.environment) take(config::key_of_variable(variable), value);
    for (const auto& [key, value] : options_.overrides) take(key, value);
    if (!token_file_.empty()) {
      if (const auto token = serve::read_token(token_file_); token.is_ok()) found_.secrets.add(*token);
    }
    load();
    if (found_.name.empty()) found_.name = fs::path(file_).stem().string();
    if (!found_.lake.empty() && !is_url(found_.lake)) {
      std::error_code failed;
      fs::path absolute = fs::absolute(found_.lake, failed).lexically_normal();
      if (!absolute.has_filename()) absolute = absolute.parent_path();
      if (!failed) found_.lake = absolute.string();
    }
    found_.lake_root = lake::local_root(found_.lake, found_.config ? found_.config->storage : StorageOptions());
    if (found_.text) found_.text = found_.secrets(*found_.text);
    return std::move(found_);
  }

 private:
  void problem(std::string part, std::string why) { found_.problems.emplace_back(std::move(part), std::move(why)); }

  void read_text() {
    found_.secrets.add(config::secrets_of(options_));
    for (const char* const name : kStoreSecrets) {
      if (const char* const value = std::getenv(name); value != nullptr)
        found_.secrets.add(value);  // NOLINT: one thread
    }
    const auto text = read_some(file_, kMostOfSupportFile, true);
    if (!text) return problem("pipeline.toml", text.status().to_line());
    auto shown = config::shown_pipeline(text->text);
    found_.secrets.add(shown.secrets);
    const auto parsed = config::parse_toml(text->text);
    if (const auto* document = std::get_if<config::TomlValue>(&parsed)) {
      found_.lake = text_at(*document, "lake", "path");
      found_.name = text_at(*document, "pipeline", "name");
      token_file_ = text_at(*document, "serve", "token_file");
    }
    if (!shown.is_whole) problem("pipeline.toml", "an outline only: the file is no valid TOML");
    found_.text = std::move(shown.text);
  }

  void take(const std::string& key, const std::string& value) {
    if (key == "lake.path") found_.lake = value;
    if (key == "pipeline.name") found_.name = value;
    if (key == "serve.token_file") token_file_ = value;
  }

  void load() {
    auto outcome = config::load_pipeline(file_, options_);
    if (outcome.config) {
      found_.config = std::move(outcome.config);
      found_.lake = found_.config->lake;
      found_.name = found_.config->name;
      const auto& partition = found_.config->bronze.partition_by;
      if (partition && partition->function != config::DerivedColumn::Function::kIdentity)
        found_.times.insert(partition->name);
    }
    if (!found_.text) return;  // said already
    for (const auto& wrong : outcome.problems)
      problem("pipeline file", Status(StatusCode::kInvalidArgument, wrong).to_line());
  }

  const std::string& file_;
  const config::LoadOptions& options_;
  std::string token_file_;
  SupportPipeline found_;
};

}  // namespace

SupportPipeline read_support_pipeline(const std::string& file, const config::LoadOptions& options) {
  return Reading(file, options).read();
}

}  // namespace inlet::cli
