//! Room for the tools of a data platform; holds none yet.
