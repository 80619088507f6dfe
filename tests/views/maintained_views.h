// Views that are kept batch by batch, for whatever must hold of all of them.
#pragma once

#include <array>

namespace inlet::views {

inline constexpr std::array kMaintainedViews{
    // The three views of the reference workload.
    "SELECT client_id, client_nom, pays, segment, jour, sum(quantite) AS total_quantite, sum(montant) AS "
    "total_depense, "
    "count(*) AS nb_achats, avg(montant) AS panier_moyen, min(montant) AS achat_min, max(montant) AS achat_max, "
    "count(DISTINCT produit_id) AS nb_produits_distincts, count(*) >= 2 AS est_client_fidele, "
    "CASE WHEN sum(montant) >= 500 THEN 'Premium' WHEN sum(montant) >= 100 THEN 'Standard' ELSE 'Economy' END AS "
    "segment_depense FROM bronze.ventes_stream GROUP BY client_id, client_nom, pays, segment, jour",
    "SELECT pays, jour, count(*) AS total_transactions, sum(montant) AS revenue_total, avg(montant) AS "
    "transaction_moyenne, sum(quantite) AS items_sold, count(DISTINCT client_id) AS unique_customers FROM "
    "ventes_stream "
    "GROUP BY pays, jour",
    "SELECT segment, jour, count(*) AS total_transactions, sum(montant) AS revenue_total, avg(montant) AS "
    "transaction_moyenne, count(DISTINCT client_id) AS unique_customers, count(DISTINCT pays) AS countries_count FROM "
    "bronze.ventes_stream v GROUP BY ALL",
    // Each aggregate.
    "SELECT count(*) AS n, count(montant) AS m, count(DISTINCT pays) AS p, sum(client_id) AS s FROM ventes_stream",
    "SELECT count(DISTINCT pays) AS p, count(DISTINCT poids) AS q FROM ventes_stream",
    "SELECT pays, min(poids) AS a, max(client_nom) AS b, min(livraison) AS c, max(\"timestamp\") AS d, min(actif) AS "
    "e, "
    "max(montant * 2) AS f FROM ventes_stream GROUP BY pays",
    "SELECT pays, bool_and(actif) AS a, bool_or(actif) AS b FROM ventes_stream GROUP BY pays",
    "SELECT pays, avg(quantite) AS a, avg(poids) AS b, avg(montant) AS c, avg(client_id) AS d FROM ventes_stream GROUP "
    "BY pays",
    "SELECT pays, sum(poids) AS s, stddev(poids) AS a, stddev_pop(montant) AS b, variance(quantite) AS c, "
    "var_pop(poids) AS d, var_samp(poids) AS e FROM ventes_stream GROUP BY pays",
    "SELECT pays, arg_min(client_nom, \"timestamp\") AS a, arg_max(client_nom, \"timestamp\") AS b, "
    "min_by(montant, quantite) AS c, max_by(actif, livraison) AS d, arg_min_null(client_nom, quantite) AS e FROM "
    "ventes_stream GROUP BY pays",
    "SELECT pays, first(client_nom ORDER BY \"timestamp\") AS a, last(client_nom ORDER BY \"timestamp\") AS b, "
    "first(montant ORDER BY quantite DESC) AS c, last(montant ORDER BY quantite DESC NULLS FIRST) AS d, "
    "any_value(client_nom ORDER BY livraison NULLS FIRST) AS e FROM ventes_stream GROUP BY pays",
    "SELECT pays, count_if(quantite > 0) AS a, count(*) FILTER (WHERE actif) AS b, sum(montant) FILTER (WHERE quantite "
    "> 1) "
    "AS c, count(DISTINCT client_id) FILTER (WHERE actif) AS d, avg(montant) FILTER (WHERE actif) AS e FROM "
    "ventes_stream "
    "GROUP BY pays",
    // Keys.
    "SELECT date_trunc('hour', \"timestamp\") AS heure, count(*) AS n FROM ventes_stream GROUP BY heure",
    "SELECT time_bucket(INTERVAL '5 minutes', \"timestamp\") AS t, sum(quantite) AS n FROM ventes_stream GROUP BY 1",
    "SELECT strftime(\"timestamp\", '%Y-%m-%d') AS d, EXTRACT(hour FROM \"timestamp\") AS h, count(*) AS n FROM "
    "ventes_stream GROUP BY d, EXTRACT(hour FROM \"timestamp\")",
    "SELECT poids, count(*) AS n FROM ventes_stream GROUP BY poids",
    "SELECT CAST(quantite AS SMALLINT) AS q, CAST(poids AS FLOAT) AS p, count(*) AS n FROM ventes_stream GROUP BY ALL",
    "SELECT upper(pays) || '-' || jour AS cle, count(*) AS n FROM ventes_stream GROUP BY upper(pays), jour",
    "SELECT quantite + 1 AS a, (quantite + 1) * 2 AS b, count(*) AS n FROM ventes_stream GROUP BY quantite + 1",
    "SELECT pays FROM ventes_stream GROUP BY pays",
    "SELECT VENTES_STREAM.Pays AS p, count(*) AS n FROM ventes_stream GROUP BY PAYS",
    "SELECT bronze.ventes_stream.pays, count(*) AS n FROM bronze.ventes_stream GROUP BY pays",
    "SELECT actif IS TRUE AS a, livraison, count(*) AS n FROM ventes_stream GROUP BY ALL",
    // WHERE, HAVING, aliases, expressions.
    "SELECT pays, sum(montant) AS total FROM ventes_stream WHERE quantite > 0 AND pays LIKE '%b%' GROUP BY pays HAVING "
    "total > 3 AND count(*) > 2",
    "SELECT sum(montant) AS montant, pays FROM ventes_stream GROUP BY pays HAVING montant > 1",
    "SELECT pays, sum(montant) AS s, s * 2 AS twice, s / count(*) AS ratio FROM ventes_stream GROUP BY pays",
    "SELECT pays, sum(quantite) * 1e0 AS s, coalesce(sum(quantite), 0) + 0.5 AS t, round(avg(montant), 1) AS r FROM "
    "ventes_stream GROUP BY pays",
    "SELECT pays, CASE WHEN avg(quantite) > 2 THEN 'a' ELSE 'b' END AS c FROM ventes_stream GROUP BY pays",
    "SELECT sum(montant) AS s FROM ventes_stream WHERE false",
    "SELECT count(*) AS n, avg(montant) AS a, min(pays) AS m, stddev(poids) AS d, first(pays ORDER BY jour) AS f FROM "
    "ventes_stream WHERE client_id = 424242",
    "SELECT count(*) AS n FROM ventes_stream HAVING count(*) > 10000",
    "SELECT 7 AS seven, count(*) AS n FROM ventes_stream",
    // Dimensions.
    "SELECT c.continent, count(*) AS n, sum(montant) AS s FROM bronze.ventes_stream JOIN countries c ON c.code = pays "
    "GROUP "
    "BY ALL",
    "SELECT continent, sum(population) AS p, first(continent ORDER BY \"timestamp\") AS f FROM ventes_stream v LEFT "
    "JOIN "
    "countries ON code = v.pays AND population > 5 GROUP BY continent",
};

}  // namespace inlet::views
