//! Tools that operate applications, over an embedded engine.
