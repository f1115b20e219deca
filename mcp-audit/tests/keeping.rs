//! What is on record of a call, what is not, and what depends on it.
