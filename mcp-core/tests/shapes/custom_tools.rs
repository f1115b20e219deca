//! Tools that exist only at run time, read from a table, and come and go while clients are connected.
