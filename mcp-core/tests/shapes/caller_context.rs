//! Context that a caller chooses and finds again, with no session to keep it in.
