#include "pipeline/ordered_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

namespace inlet::pipeline {
namespace {

using std::chrono::steady_clock;
constexpr std::chrono::seconds kLong{10};

TEST(OrderedQueue, gives_back_the_order_whatever_the_threads_do) {
  constexpr std::uint64_t kItems = 5000;
  OrderedQueue<std::uint64_t> queue({64, 64});
  std::atomic<std::uint64_t> next{0};
  std::vector<std::thread> producers;
  for (int i = 0; i < 4; ++i) {
    producers.emplace_back([&, i] {
      std::mt19937 random(static_cast<unsigned>(i));
      for (auto number = next.fetch_add(1); number < kItems; number = next.fetch_add(1)) {
        if (random() % 16 == 0) std::this_thread::yield();
        EXPECT_TRUE(queue.push(number, number, {1, 1}));
      }
    });
  }
  for (std::uint64_t expected = 0; expected < kItems; ++expected) {
    const auto item = queue.pop_until(steady_clock::now() + kLong);
    ASSERT_TRUE(item.has_value());
    ASSERT_EQ(*item, expected);
  }
  for (auto& producer : producers) producer.join();
}

TEST(OrderedQueue, the_one_whose_turn_it_is_never_waits_for_room) {
  OrderedQueue<int> queue({1, 1});
  EXPECT_TRUE(queue.push(0, 7, {100, 100}));
  EXPECT_EQ(queue.pop_until(steady_clock::now()), 7);
}

TEST(OrderedQueue, finishing_lets_the_consumer_drain_what_is_there) {
  OrderedQueue<int> queue({10, 10});
  EXPECT_TRUE(queue.push(0, 1, {1, 1}));
  queue.finish();
  EXPECT_FALSE(queue.drained());
  EXPECT_EQ(queue.pop_until(steady_clock::now() + kLong), 1);
  EXPECT_TRUE(queue.drained());
}

TEST(OrderedQueue, abandoning_wakes_a_producer_that_waits) {
  OrderedQueue<int> queue({1, 1});
  std::thread producer([&] {
    EXPECT_TRUE(queue.push(1, 1, {1, 1}));
    EXPECT_FALSE(queue.push(2, 2, {1, 1}));
  });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  queue.abandon();
  producer.join();
  EXPECT_TRUE(queue.drained());
}

}  // namespace
}  // namespace inlet::pipeline
