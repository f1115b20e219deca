//! A sentence for people before the data, in every form of result that the revisions know.
