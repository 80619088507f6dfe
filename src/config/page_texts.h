// The short texts that describe the live page: the shape of a language tag, the id of a panel, what its SQL reads.
#pragma once

#include <string>
#include <string_view>

namespace inlet::config {

/// "en", "fr-FR", "zh-Hant-TW", "de-DE-u-nu-latn": the shape that browsers take (RFC 5646), whether the language is
/// known or not. A tag of another shape would be an exception there.
bool is_language_tag(std::string_view tag);

/// "Top clients" → "top_clients"; empty when the title has neither a letter of a to z nor a digit.
std::string panel_id_of(std::string_view title);

/// [a-z0-9_]+
bool is_panel_id(std::string_view id);

/// True where the SQL reads a table `filtered`: that name, in any case, behind FROM or JOIN. Texts and comments are not
/// looked at; one behind a comma is not found.
bool reads_filtered(std::string_view sql);

}  // namespace inlet::config
