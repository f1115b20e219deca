//! Filters that are free-form, and answers from which a wrong one can be corrected.
