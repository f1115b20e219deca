//! A reading list for assistants, as a pack from outside: a crate that knows `toolpack` and nothing else of it.
//!
//! The guide `docs/packs.md` builds it step by step; its tests hold every block of the guide against these files.
//!
//! | file | what |
//! |---|---|
//! | `reading_time` | the smallest tool there is |
//! | `topic` | a parsed type: the rule and the schema in one place |
//! | `shelf`, `shelf_file`, `drawer` | the engine: a trait, and the file behind it |
//! | `inbox` | a second engine: texts in a folder |
//! | `reading` | the state: the engines together, the names of scopes |
//! | `tools/` | `list_items`, `add_item`, `discard_items`, `import_texts`, `mark_items` |
//! | `item_page`, `pick_reading` | a resource, a prompt |
//! | `pack` | all of it as a [`Pack`](toolpack::Pack) |
//! | `desk`, `pockets` | a server that mixes packs, and replaces an engine of somebody else's |

mod blocking;
pub mod desk;
pub mod drawer;
pub mod inbox;
pub mod item_page;
mod pack;
pub mod pick_reading;
pub mod pockets;
pub mod reading;
pub mod reading_time;
pub mod shelf;
pub mod shelf_file;
pub mod tools;
pub mod topic;

pub use self::{
    pack::{ReadingList, pack},
    reading::Reading,
};
