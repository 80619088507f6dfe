// Rule 5 on a real lake: what a dead owner left in quarantine is found by every owner after it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "bronze/claim.h"
#include "bronze/writer.h"
#include "decode/decoder.h"
#include "tests/fakes/pipeline_configs.h"

namespace inlet::bronze {
namespace {

const TopicPartition kFirst{"kafka:sales", 0};
const TopicPartition kSecond{"kafka:sales", 1};
const auto kGoOn = [] { return false; };

class Rule05DecidedOffsets : public ::testing::Test {
 protected:
  Rule05DecidedOffsets()
      : root_(std::filesystem::temp_directory_path() / ("inlet-decided-" + std::to_string(::getpid()))),
        config_(fakes::small_pipeline(root_.string())),
        tables_(std::move(Tables::open(config_)).value()),
        database_(std::move(duck::Database::open({})).value()),
        connection_(std::move(database_.connect()).value()),
        writer_(tables_, config_, std::move(database_.connect()).value(), Clock::system()) {}
  ~Rule05DecidedOffsets() override { std::filesystem::remove_all(root_); }

  std::vector<Claim> claim() {
    auto claims = claim_partitions(tables_, config_.name, {{kFirst, {0}}, {kSecond, {0}}}, connection_, kGoOn);
    EXPECT_TRUE(claims.is_ok()) << claims.status().to_line();
    return std::move(claims).value();
  }

  // Records `first`..`last` of a partition; those of `bad` are no JSON. What is decided already is passed over.
  decode::DecodedBatch records(const Claim& claim, std::int64_t first, std::int64_t last,
                               const std::vector<std::int64_t>& bad) {
    source::RecordBatch batch;
    batch.partition = claim.partition;
    batch.range = {{first}, {last}};
    for (auto offset = first; offset <= last; ++offset) {
      const bool is_bad = std::find(bad.begin(), bad.end(), offset) != bad.end();
      batch.records.push_back({{offset}, 0, is_bad ? "{" : R"({"id":1,"at":"2026-01-01T00:00:00Z"})", false});
    }
    decode::Decoder decoder(config_);
    return std::move(decoder.decode(batch, *claim.decided)).value();
  }

  std::filesystem::path root_;
  config::PipelineConfig config_;
  Tables tables_;
  duck::Database database_;
  duck::Connection connection_;
  Writer writer_;
};

TEST_F(Rule05DecidedOffsets, shorter_batches_of_the_next_owner_hide_no_row_of_the_last) {
  // The first owner rejects 5 and 9 of a long range and never gets to its bronze commit.
  const auto first = claim();
  Batch lost;
  ASSERT_TRUE(lost.add(records(first[0], 0, 9, {5, 9})).is_ok());
  ASSERT_TRUE(tables_.bronze
                  ->commit(
                      [&](const lake::Snapshot& s) -> Result<lake::Commit> {
                        return plan_claim(s, config_.name, {{kFirst, {0}}});
                      },
                      kGoOn)
                  .is_ok());
  EXPECT_EQ(writer_.write(lost, {{kFirst, first[0].epoch}}, kGoOn).status().code(), StatusCode::kFenced);

  // The second commits less of that partition, beside a reject of another one, and dies.
  const auto second = claim();
  EXPECT_EQ(*second[0].decided, (std::unordered_set<std::int64_t>{5, 9}));
  Batch shorter;
  ASSERT_TRUE(shorter.add(records(second[0], 0, 2, {})).is_ok());
  ASSERT_TRUE(shorter.add(records(second[1], 0, 3, {1})).is_ok());
  const Epochs epochs{{kFirst, second[0].epoch}, {kSecond, second[1].epoch}};
  ASSERT_TRUE(writer_.write(shorter, epochs, kGoOn).is_ok());

  // The third still knows what was decided above the marker.
  const auto third = claim();
  EXPECT_EQ(third[0].state.marker, Offset{2});
  EXPECT_EQ(*third[0].decided, (std::unordered_set<std::int64_t>{5, 9}));
  EXPECT_TRUE(third[1].decided->empty());
}

}  // namespace
}  // namespace inlet::bronze
