//! The tools over the shelf, one a file.

mod add_item;
mod discard_items;
mod import_texts;
mod list_items;
mod mark_items;

pub use self::{
    add_item::AddItem, discard_items::DiscardItems, import_texts::ImportTexts, list_items::ListItems,
    mark_items::MarkItems,
};
