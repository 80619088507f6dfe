// A sales-like description of generated events, and small ones beside it.
#pragma once

#include "config/pipeline_config.h"

namespace inlet::source::testing {

inline config::GeneratorField sequence(std::string name) {
  return {std::move(name), config::GeneratorField::Kind::kSequence, {}, {}, 0, 0, 0, {}, {}};
}
inline config::GeneratorField event_time(std::string name) {
  return {std::move(name), config::GeneratorField::Kind::kEventTime, {}, {}, 0, 0, 0, {}, {}};
}
inline config::GeneratorField attribute(std::string name, std::string entity, std::string of) {
  return {std::move(name), config::GeneratorField::Kind::kAttribute, std::move(entity), std::move(of), 0, 0, 0, {}, {}};
}
inline config::GeneratorField uniform(std::string name, std::int64_t min, std::int64_t max, int scale = 0) {
  const auto kind =
      scale == 0 ? config::GeneratorField::Kind::kUniformInt : config::GeneratorField::Kind::kUniformDecimal;
  return {std::move(name), kind, {}, {}, min, max, scale, {}, {}};
}
inline config::GeneratorField choice(std::string name, std::vector<std::string> choices) {
  return {std::move(name), config::GeneratorField::Kind::kChoice, {}, {}, 0, 0, 0, std::move(choices), {}};
}
inline config::GeneratorField product(std::string name, std::vector<std::string> factors) {
  return {std::move(name), config::GeneratorField::Kind::kProduct, {}, {}, 0, 0, 0, {}, std::move(factors)};
}

/// Twelve fields, about 250 bytes.
inline config::GeneratorConfig sales() {
  config::GeneratorConfig config;
  config.partitions = 2;
  config.entities = {
      {"client",
       true,
       {"id", "nom", "pays", "segment"},
       {{"1", "Alice Martin", "France", "Premium"},
        {"2", "Björn \"B\" Åberg", "Suède", "Standard"},
        {"3", "Chiara\\Rossi", "Italie", "Standard"},
        {"4", "Dmitri Novak", "Tchéquie", "Economy"},
        {"5", "Élodie Petit", "Belgique", "Premium"}},
       {false, true, true, true}},
      {"produit",
       false,
       {"id", "nom", "categorie", "prix"},
       {{"101", "Ordinateur portable", "Informatique", "1299.99"},
        {"102", "Souris sans fil", "Informatique", "24.5"},
        {"103", "Bureau", "Mobilier", "349"},
        {"104", "Lampe", "Mobilier", "39.90"},
        {"105", "Casque audio", "Son", "89.99"},
        {"106", "Enceinte", "Son", "149.00"}},
       {false, true, true, false}},
  };
  config.fields = {sequence("vente_id"),
                   attribute("client_id", "client", "id"),
                   attribute("produit_id", "produit", "id"),
                   event_time("timestamp"),
                   uniform("quantite", 1, 5),
                   product("montant", {"quantite", "produit.prix"}),
                   attribute("client_nom", "client", "nom"),
                   attribute("produit_nom", "produit", "nom"),
                   attribute("categorie", "produit", "categorie"),
                   attribute("pays", "client", "pays"),
                   attribute("segment", "client", "segment"),
                   choice("canal", {"web", "boutique"})};
  return config;
}

}  // namespace inlet::source::testing
