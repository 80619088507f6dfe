#include "serve/event_stream.h"

#include "base/format.h"

namespace inlet::serve {

EventStream::EventStream(std::uint64_t before_first, std::size_t kept) : kept_(kept), newest_(before_first) {}

void EventStream::publish(std::string_view type, std::string_view data) {
  const std::scoped_lock lock(mutex_);
  ++newest_;
  events_.push_back({newest_, fmt::format("id: {}\nevent: {}\ndata: {}\n\n", newest_, type, data)});
  if (events_.size() > kept_) events_.pop_front();
}

std::uint64_t EventStream::newest() const {
  const std::scoped_lock lock(mutex_);
  return newest_;
}

EventStream::Reading EventStream::after(std::uint64_t seen, std::size_t most_bytes) const {
  const std::scoped_lock lock(mutex_);
  Reading reading;
  reading.last = seen;
  if (seen == newest_) return reading;
  const std::uint64_t oldest = newest_ - events_.size() + 1;
  if (seen > newest_ || seen + 1 < oldest) {
    reading.text = fmt::format("id: {}\nevent: reset\ndata: {{}}\n\n", newest_);
    reading.last = newest_;
    reading.was_reset = true;
    return reading;
  }
  for (auto i = static_cast<std::size_t>(seen + 1 - oldest); i < events_.size(); ++i) {
    const Event& event = events_[i];
    if (!reading.text.empty() && reading.text.size() + event.text.size() > most_bytes) break;
    reading.text += event.text;
    reading.last = event.id;
  }
  return reading;
}

}  // namespace inlet::serve
