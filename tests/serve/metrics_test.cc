#include "serve/metrics.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "tests/serve/live_statuses.h"

namespace inlet::serve {
namespace {

using Labels = std::map<std::string, std::string>;

struct Sample {
  std::string name;
  Labels labels;
  double value = 0;
};

// What Prometheus would read of a text, by a parser that refuses whatever the format 0.0.4 does not allow.
class Exposition {
 public:
  explicit Exposition(const std::string& text) {
    if (text.empty() || text.back() != '\n') throw std::runtime_error("the last line does not end");
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) read(line);
  }

  const std::vector<Sample>& samples() const { return samples_; }
  const std::map<std::string, std::string>& types() const { return types_; }

  /// The value of the one sample that has these labels beside `pipeline`.
  double value(const std::string& name, const Labels& labels = {}) const {
    std::vector<double> found;
    for (const auto& sample : samples_) {
      if (sample.name != name) continue;
      Labels others = sample.labels;
      others.erase("pipeline");
      if (others == labels) found.push_back(sample.value);
    }
    if (found.size() != 1) throw std::runtime_error(name + " has " + std::to_string(found.size()) + " such samples");
    return found[0];
  }

  std::size_t count(const std::string& name) const {
    std::size_t found = 0;
    for (const auto& sample : samples_) found += sample.name == name ? 1 : 0;
    return found;
  }

 private:
  void read(const std::string& line) {
    if (line.rfind("# HELP ", 0) == 0) {
      const std::string name = word(line, 7);
      if (line.size() <= 8 + name.size()) throw std::runtime_error("no help: " + line);
      if (!helps_.insert(name).second) throw std::runtime_error("HELP twice: " + line);
    } else if (line.rfind("# TYPE ", 0) == 0) {
      family_ = word(line, 7);
      if (!helps_.contains(family_)) throw std::runtime_error("TYPE without HELP: " + line);
      if (!types_.emplace(family_, line.substr(8 + family_.size())).second)
        throw std::runtime_error("TYPE twice: " + line);
    } else {
      read_sample(line);
    }
  }

  static std::string word(const std::string& line, std::size_t from) {
    return line.substr(from, line.find(' ', from) - from);
  }

  void read_sample(const std::string& line) {
    Sample sample;
    std::size_t at = line.find_first_of("{ ");
    sample.name = line.substr(0, at);
    if (sample.name.rfind(family_, 0) != 0) throw std::runtime_error("outside of its family: " + line);
    if (line.at(at) == '{') {
      for (++at; line.at(at) != '}';) {
        const std::size_t equals = line.find('=', at);
        const std::string label = line.substr(at, equals - at);
        if (line.at(equals + 1) != '"') throw std::runtime_error("no quote: " + line);
        at = equals + 2;
        std::string value;
        for (; line.at(at) != '"'; ++at) {
          if (line.at(at) != '\\') {
            value += line.at(at);
            continue;
          }
          const char escaped = line.at(++at);
          if (escaped != 'n' && escaped != '\\' && escaped != '"') throw std::runtime_error("bad escape: " + line);
          value += escaped == 'n' ? '\n' : escaped;
        }
        if (!sample.labels.emplace(label, value).second) throw std::runtime_error("label twice: " + line);
        if (line.at(++at) == ',') ++at;
      }
      ++at;
    }
    std::size_t used = 0;
    const std::string number = line.substr(at + 1);
    sample.value = std::stod(number, &used);
    if (used != number.size()) throw std::runtime_error("not a number: " + line);
    if (!seen_.emplace(sample.name, sample.labels).second) throw std::runtime_error("sample twice: " + line);
    samples_.push_back(std::move(sample));
  }

  std::string family_;
  std::set<std::string> helps_;
  std::map<std::string, std::string> types_;
  std::set<std::pair<std::string, Labels>> seen_;
  std::vector<Sample> samples_;
};

std::chrono::microseconds ms(std::int64_t count) { return std::chrono::milliseconds(count); }

class MetricsTest : public testing::Test {
 protected:
  Exposition scrape(const LiveStatus& status = a_live_status()) const { return Exposition(metrics_.text(status)); }

  void count_one_of_everything() {
    metrics_.batch_committed(990, ms(34));
    metrics_.view_published("par_pays", ms(11));
    metrics_.request_done("/api/v1/panels/{id}", 200, ms(2));
    metrics_.query_done("ok");
    metrics_.events_dropped();
    metrics_.connections(3);
    metrics_.event_streams(2);
  }

  Metrics metrics_{"ventes", "0.1.0"};
};

TEST_F(MetricsTest, every_promised_family_is_there_with_its_type) {
  count_one_of_everything();
  const std::map<std::string, std::string> promised{
      {"inlet_batch_duration_seconds", "histogram"},
      {"inlet_batch_rows", "histogram"},
      {"inlet_batches_total", "counter"},
      {"inlet_build_info", "gauge"},
      {"inlet_diverted_total", "counter"},
      {"inlet_duckdb_memory_bytes", "gauge"},
      {"inlet_expectation_failures_total", "counter"},
      {"inlet_freshness_seconds", "gauge"},
      {"inlet_http_connections", "gauge"},
      {"inlet_http_event_streams", "gauge"},
      {"inlet_http_events_dropped_total", "counter"},
      {"inlet_http_queries_total", "counter"},
      {"inlet_http_request_duration_seconds", "histogram"},
      {"inlet_http_requests_total", "counter"},
      {"inlet_late_total", "counter"},
      {"inlet_maintenance_added_files_total", "counter"},
      {"inlet_maintenance_cleaned_log_files_total", "counter"},
      {"inlet_maintenance_compactions_total", "counter"},
      {"inlet_maintenance_cpu_seconds_total", "counter"},
      {"inlet_maintenance_failing_tables", "gauge"},
      {"inlet_maintenance_removed_files_total", "counter"},
      {"inlet_maintenance_rewritten_bytes_total", "counter"},
      {"inlet_maintenance_vacuumed_bytes_total", "counter"},
      {"inlet_maintenance_vacuumed_files_total", "counter"},
      {"inlet_objective_file_bytes", "gauge"},
      {"inlet_objective_freshness_seconds", "gauge"},
      {"inlet_parquet_bytes_total", "counter"},
      {"inlet_partition_committed_offset", "gauge"},
      {"inlet_partition_end_offset", "gauge"},
      {"inlet_partition_lag", "gauge"},
      {"inlet_quarantined_total", "counter"},
      {"inlet_queue_rows", "gauge"},
      {"inlet_records_total", "counter"},
      {"inlet_rows_total", "counter"},
      {"inlet_source_bytes_total", "counter"},
      {"inlet_table_bytes", "gauge"},
      {"inlet_table_files", "gauge"},
      {"inlet_table_rows", "gauge"},
      {"inlet_table_small_files", "gauge"},
      {"inlet_table_version", "gauge"},
      {"inlet_uptime_seconds", "gauge"},
      {"inlet_view_applied_version", "gauge"},
      {"inlet_view_apply_seconds_total", "counter"},
      {"inlet_view_behind_seconds", "gauge"},
      {"inlet_view_failed", "gauge"},
      {"inlet_view_last_apply_seconds", "gauge"},
      {"inlet_view_last_publish_seconds", "gauge"},
      {"inlet_view_publish_duration_seconds", "histogram"},
      {"inlet_view_publish_seconds_total", "counter"},
      {"inlet_view_published_version", "gauge"},
      {"inlet_view_publishes_total", "counter"},
      {"inlet_view_rows", "gauge"},
      {"inlet_view_state_bytes", "gauge"},
      {"inlet_watermark_timestamp_seconds", "gauge"},
      {"process_cpu_seconds_total", "counter"},
      {"process_open_fds", "gauge"},
      {"process_resident_memory_bytes", "gauge"},
      {"process_start_time_seconds", "gauge"},
  };
  const auto scraped = scrape();
  EXPECT_EQ(scraped.types(), promised);
  for (const auto& [name, type] : scraped.types()) {
    EXPECT_EQ(name.ends_with("_total"), type == "counter") << name;
    EXPECT_GE(scraped.count(type == "histogram" ? name + "_count" : name), 1U) << name << " has no sample";
  }
}

TEST_F(MetricsTest, every_sample_names_the_pipeline) {
  count_one_of_everything();
  const auto scraped = scrape();
  for (const auto& sample : scraped.samples()) {
    ASSERT_TRUE(sample.labels.contains("pipeline")) << sample.name;
    EXPECT_EQ(sample.labels.at("pipeline"), "ventes") << sample.name;
  }
}

TEST_F(MetricsTest, the_status_is_told_number_by_number) {
  const auto scraped = scrape();
  const Labels view{{"view", "par_pays"}};
  const Labels bronze{{"table", "bronze/ventes_stream"}};
  EXPECT_EQ(scraped.value("inlet_build_info", {{"version", "0.1.0"}}), 1);
  EXPECT_EQ(scraped.value("inlet_uptime_seconds"), 61.5);
  EXPECT_EQ(scraped.value("inlet_maintenance_added_files_total"), 3);
  EXPECT_EQ(scraped.value("inlet_maintenance_cleaned_log_files_total"), 70);
  EXPECT_EQ(scraped.value("inlet_maintenance_compactions_total"), 3);
  EXPECT_EQ(scraped.value("inlet_maintenance_cpu_seconds_total"), 1.5);
  EXPECT_EQ(scraped.value("inlet_maintenance_failing_tables"), 1);
  EXPECT_EQ(scraped.value("inlet_maintenance_removed_files_total"), 48);
  EXPECT_EQ(scraped.value("inlet_maintenance_rewritten_bytes_total"), 480000);
  EXPECT_EQ(scraped.value("inlet_maintenance_vacuumed_bytes_total"), 400000);
  EXPECT_EQ(scraped.value("inlet_maintenance_vacuumed_files_total"), 40);
  EXPECT_EQ(scraped.value("inlet_objective_file_bytes"), 128000000);
  EXPECT_EQ(scraped.value("inlet_objective_freshness_seconds"), 0.5);
  EXPECT_EQ(scraped.value("inlet_table_small_files", bronze), 6);
  EXPECT_EQ(scraped.value("inlet_records_total"), 1000);
  EXPECT_EQ(scraped.value("inlet_rows_total"), 990);
  EXPECT_EQ(scraped.value("inlet_quarantined_total"), 10);
  EXPECT_EQ(scraped.value("inlet_late_total"), 7);
  EXPECT_EQ(scraped.value("inlet_diverted_total"), 3);
  EXPECT_EQ(scraped.value("inlet_expectation_failures_total", {{"expectation", "montant_positif"}}), 3);
  EXPECT_EQ(scraped.value("inlet_source_bytes_total"), 268000);
  EXPECT_EQ(scraped.value("inlet_parquet_bytes_total"), 12000);
  EXPECT_EQ(scraped.value("inlet_batches_total"), 4);
  EXPECT_EQ(scraped.value("inlet_queue_rows"), 120);
  EXPECT_EQ(scraped.value("inlet_freshness_seconds"), 0.32);
  EXPECT_NEAR(scraped.value("inlet_watermark_timestamp_seconds"), 1767323045.123456, 1e-6);
  EXPECT_EQ(scraped.value("inlet_table_version", bronze), 12);
  EXPECT_EQ(scraped.value("inlet_table_files", bronze), 8);
  EXPECT_EQ(scraped.value("inlet_table_bytes", bronze), 12000);
  EXPECT_EQ(scraped.value("inlet_table_rows", bronze), 990);
  EXPECT_EQ(scraped.value("inlet_view_rows", view), 25);
  EXPECT_EQ(scraped.value("inlet_view_state_bytes", view), 4096);
  EXPECT_EQ(scraped.value("inlet_view_applied_version", view), 12);
  EXPECT_EQ(scraped.value("inlet_view_published_version", view), 11);
  EXPECT_EQ(scraped.value("inlet_view_behind_seconds", view), 0.34);
  EXPECT_EQ(scraped.value("inlet_view_publishes_total", view), 9);
  EXPECT_EQ(scraped.value("inlet_view_apply_seconds_total", view), 0.5);
  EXPECT_EQ(scraped.value("inlet_view_publish_seconds_total", view), 1.5);
  EXPECT_EQ(scraped.value("inlet_view_last_apply_seconds", view), 0.0031);
  EXPECT_EQ(scraped.value("inlet_view_last_publish_seconds", view), 0.0112);
  EXPECT_EQ(scraped.value("inlet_view_failed", view), 0);
  EXPECT_EQ(scraped.value("inlet_duckdb_memory_bytes"), 33554432);
  EXPECT_EQ(scraped.value("process_cpu_seconds_total"), 12.5);
  EXPECT_EQ(scraped.value("process_resident_memory_bytes"), 187400000);
  EXPECT_EQ(scraped.value("process_open_fds"), 41);
  EXPECT_EQ(scraped.value("process_start_time_seconds"), 1767323000);
}

TEST_F(MetricsTest, what_is_not_known_has_no_sample) {
  const Labels endless{{"source", "kafka:ventes_stream"}, {"partition", "1"}};
  const auto scraped = scrape();
  EXPECT_EQ(scraped.value("inlet_partition_committed_offset", endless), 498);
  EXPECT_EQ(scraped.count("inlet_partition_end_offset"), 1U);
  EXPECT_EQ(scraped.count("inlet_partition_lag"), 1U);
  EXPECT_EQ(scraped.count("inlet_table_rows"), 1U);

  LiveStatus starting;
  starting.views = {{}};
  const auto first = scrape(starting);
  for (const char* name : {"inlet_freshness_seconds", "inlet_watermark_timestamp_seconds", "inlet_duckdb_memory_bytes",
                           "inlet_view_applied_version", "inlet_view_published_version"}) {
    EXPECT_EQ(first.count(name), 0U) << name;
    EXPECT_TRUE(first.types().contains(name)) << name;
  }
}

TEST_F(MetricsTest, a_view_that_stopped_is_marked) {
  LiveStatus status = a_live_status();
  status.views.push_back(a_view("stopped"));
  status.views[1].problem = Status(StatusCode::kInternal, "views.sum_overflow", "a sum is too large");
  const auto scraped = scrape(status);
  EXPECT_EQ(scraped.value("inlet_view_failed", {{"view", "par_pays"}}), 0);
  EXPECT_EQ(scraped.value("inlet_view_failed", {{"view", "stopped"}}), 1);
}

TEST_F(MetricsTest, large_counts_keep_their_digits) {
  LiveStatus status = a_live_status();
  status.events = 1234567890123456;
  EXPECT_EQ(scrape(status).value("inlet_records_total"), 1234567890123456.0);
}

TEST(MetricsTextTest, label_values_come_back_as_they_were) {
  const std::string hostile = "a\"b\\c\nd{e=\"f\"} 1 # HELP x";
  Metrics metrics(hostile, "0.1.0");
  LiveStatus status = a_live_status();
  status.partitions = {{{hostile, 0}, 499, 520, 20}};
  status.tables[0].name = hostile;
  status.expectations[0].first = hostile;
  metrics.view_published(hostile, ms(1));
  const Exposition scraped(metrics.text(status));
  EXPECT_EQ(scraped.value("inlet_partition_lag", {{"source", hostile}, {"partition", "0"}}), 20);
  EXPECT_EQ(scraped.value("inlet_table_files", {{"table", hostile}}), 8);
  EXPECT_EQ(scraped.value("inlet_expectation_failures_total", {{"expectation", hostile}}), 3);
  EXPECT_EQ(scraped.value("inlet_view_publish_duration_seconds_count", {{"view", hostile}}), 1);
  for (const auto& sample : scraped.samples()) EXPECT_EQ(sample.labels.at("pipeline"), hostile);
}

TEST(MetricsTextTest, bytes_that_are_not_utf8_do_not_spoil_a_scrape) {
  const Metrics metrics("ventes", "0.1.0");
  LiveStatus status = a_live_status();
  status.partitions = {{{"file:caf\xe9.jsonl", 0}, 499, 520, 20}};
  EXPECT_EQ(Exposition(metrics.text(status))
                .value("inlet_partition_lag", {{"source", "file:caf\xEF\xBF\xBD.jsonl"}, {"partition", "0"}}),
            20);
}

TEST_F(MetricsTest, histograms_are_cumulative_and_end_in_the_count) {
  for (const std::int64_t took : {0, 1, 3, 3, 40, 900, 60'000}) metrics_.batch_committed(took * 100, ms(took));
  metrics_.view_published("par_pays", ms(7));
  for (const std::int64_t took : {0, 2, 2, 8'000}) metrics_.request_done("/livez", 200, ms(took));
  const auto scraped = scrape();
  std::map<std::pair<std::string, Labels>, std::vector<std::pair<double, double>>> histograms;
  for (const auto& sample : scraped.samples()) {
    if (!sample.name.ends_with("_bucket")) continue;
    Labels others = sample.labels;
    const double bound = std::stod(others.at("le"));
    others.erase("le");
    others.erase("pipeline");
    histograms[{sample.name.substr(0, sample.name.size() - 7), others}].emplace_back(bound, sample.value);
  }
  EXPECT_EQ(histograms.size(), 4U);
  for (const auto& [series, buckets] : histograms) {
    for (std::size_t i = 1; i < buckets.size(); ++i) {
      EXPECT_LT(buckets[i - 1].first, buckets[i].first) << series.first;
      EXPECT_LE(buckets[i - 1].second, buckets[i].second) << series.first;
    }
    EXPECT_EQ(buckets.back().first, std::numeric_limits<double>::infinity()) << series.first;
    EXPECT_EQ(buckets.back().second, scraped.value(series.first + "_count", series.second)) << series.first;
  }
  EXPECT_EQ(scraped.value("inlet_batch_duration_seconds_bucket", {{"le", "0.001"}}), 2);
  EXPECT_EQ(scraped.value("inlet_batch_duration_seconds_bucket", {{"le", "0.005"}}), 4);
  EXPECT_EQ(scraped.value("inlet_batch_duration_seconds_bucket", {{"le", "10"}}), 6);
  EXPECT_NEAR(scraped.value("inlet_batch_duration_seconds_sum"), 60.947, 1e-9);
  EXPECT_EQ(scraped.value("inlet_http_request_duration_seconds_bucket", {{"route", "/livez"}, {"le", "5"}}), 3);
}

TEST_F(MetricsTest, requests_are_counted_by_route_and_code) {
  metrics_.request_done("/api/v1/panels/{id}", 200, ms(2));
  metrics_.request_done("/api/v1/panels/{id}", 200, ms(2));
  metrics_.request_done("/api/v1/panels/{id}", 504, ms(5000));
  metrics_.request_done("/livez", 200, ms(0));
  const auto scraped = scrape();
  EXPECT_EQ(scraped.value("inlet_http_requests_total", {{"route", "/api/v1/panels/{id}"}, {"code", "200"}}), 2);
  EXPECT_EQ(scraped.value("inlet_http_requests_total", {{"route", "/api/v1/panels/{id}"}, {"code", "504"}}), 1);
  EXPECT_EQ(scraped.value("inlet_http_request_duration_seconds_count", {{"route", "/api/v1/panels/{id}"}}), 3);
  EXPECT_EQ(scraped.value("inlet_http_request_duration_seconds_count", {{"route", "/livez"}}), 1);
}

TEST_F(MetricsTest, every_outcome_of_a_query_is_there_before_the_first_one) {
  for (const char* outcome : {"ok", "error", "timeout", "cancelled", "cached"})
    EXPECT_EQ(scrape().value("inlet_http_queries_total", {{"outcome", outcome}}), 0) << outcome;
  metrics_.query_done("cached");
  metrics_.query_done("something new");
  EXPECT_EQ(scrape().value("inlet_http_queries_total", {{"outcome", "cached"}}), 1);
  EXPECT_EQ(scrape().value("inlet_http_queries_total", {{"outcome", "error"}}), 1);
  EXPECT_EQ(scrape().count("inlet_http_queries_total"), 5U);
}

TEST_F(MetricsTest, nothing_is_lost_when_many_threads_count_and_scrape) {
  constexpr int kThreads = 4;
  constexpr int kEach = 500;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < kEach; ++i) {
        metrics_.request_done(i % 2 == 0 ? "/livez" : "/readyz", 200, ms(1));
        metrics_.batch_committed(10, ms(1));
        metrics_.view_published("view " + std::to_string(i % 3), ms(1));
        metrics_.query_done("ok");
        metrics_.connections(thread);
        if (i % 100 == 0) scrape();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  const auto scraped = scrape();
  EXPECT_EQ(scraped.value("inlet_http_requests_total", {{"route", "/livez"}, {"code", "200"}}), kThreads * kEach / 2);
  EXPECT_EQ(scraped.value("inlet_batch_rows_sum"), kThreads * kEach * 10);
  EXPECT_EQ(scraped.value("inlet_http_queries_total", {{"outcome", "ok"}}), kThreads * kEach);
}

}  // namespace
}  // namespace inlet::serve
