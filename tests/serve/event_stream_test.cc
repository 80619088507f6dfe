#include "serve/event_stream.h"

#include <gtest/gtest.h>

namespace inlet::serve {
namespace {

constexpr std::size_t kAll = 1U << 20U;

TEST(EventStream, a_reader_gets_every_event_once_in_order) {
  EventStream events(100);
  EXPECT_EQ(events.newest(), 100U);
  EXPECT_TRUE(events.after(100, kAll).text.empty());
  events.publish("committed", R"({"version":1})");
  events.publish("published", R"({"view":"v"})");
  const auto reading = events.after(100, kAll);
  EXPECT_EQ(reading.text,
            "id: 101\nevent: committed\ndata: {\"version\":1}\n\n"
            "id: 102\nevent: published\ndata: {\"view\":\"v\"}\n\n");
  EXPECT_EQ(reading.last, 102U);
  EXPECT_FALSE(reading.was_reset);
  EXPECT_TRUE(events.after(reading.last, kAll).text.empty());
}

TEST(EventStream, what_is_too_much_at_once_comes_in_pieces) {
  EventStream events(0);
  for (int i = 0; i < 10; ++i) events.publish("status", std::string(100, 'x'));
  std::uint64_t seen = 0;
  int rounds = 0;
  for (; seen < events.newest(); ++rounds) {
    const auto reading = events.after(seen, 250);
    EXPECT_LE(reading.text.size(), 300U);
    EXPECT_GT(reading.last, seen);
    seen = reading.last;
  }
  EXPECT_EQ(rounds, 10);
  EXPECT_EQ(events.after(0, 1).last, 1U) << "at least one event, however little is asked for";
}

TEST(EventStream, a_reader_that_fell_behind_what_is_kept_is_told_to_begin_anew) {
  EventStream events(0, 4);
  for (int i = 0; i < 10; ++i) events.publish("status", "{}");
  const auto lost = events.after(3, kAll);
  EXPECT_TRUE(lost.was_reset);
  EXPECT_EQ(lost.text, "id: 10\nevent: reset\ndata: {}\n\n");
  EXPECT_EQ(lost.last, 10U);
  const auto just = events.after(6, kAll);
  EXPECT_FALSE(just.was_reset);
  EXPECT_EQ(just.text.substr(0, 6), "id: 7\n");
}

TEST(EventStream, an_id_of_another_process_begins_anew) {
  EventStream events(1000);
  EXPECT_TRUE(events.after(7, kAll).was_reset) << "of an earlier one";
  EXPECT_TRUE(events.after(2000, kAll).was_reset) << "of none";
  events.publish("status", "{}");
  EXPECT_TRUE(events.after(7, kAll).was_reset);
}

}  // namespace
}  // namespace inlet::serve
