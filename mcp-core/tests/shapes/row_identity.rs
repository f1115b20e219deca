//! Row-level identity: the caller's claims reach the engine with every call, and cannot be forgotten.
