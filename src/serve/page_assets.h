// The files of the live page and of the API's description, embedded in the program at build time
// (dashboard/embed.mjs).
#pragma once

#include <span>
#include <string_view>

namespace inlet::serve {

struct PageAsset {
  std::string_view path;  // "/", "/assets/app.1a2b3c.js", "/api/v1/openapi.json"
  std::string_view content_type;
  std::string_view bytes;
  std::string_view gzip;     // the same, compressed
  bool is_named_by_content;  // another content has another path: may be kept for ever
};

std::span<const PageAsset> page_assets();

}  // namespace inlet::serve
