//! One tool with several actions, each with arguments of its own: typed inside, flat outside.
