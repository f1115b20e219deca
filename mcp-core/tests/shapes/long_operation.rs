//! A long operation: it reports its steps, and is undone where it is cancelled.
