//! Room for the tools of a backend service; holds none yet.
