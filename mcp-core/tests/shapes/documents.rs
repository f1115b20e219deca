//! Documents: found by their words, read by topic, a page at a time.
