//! The guide cannot rot: each block of code in `docs/packs.md` stands in the file that it names.

use std::{fs, path::Path};

/// A block of code in the guide.
struct Block {
    line: usize,
    language: String,
    /// The last line of text before it.
    above: String,
    text: String,
}

fn blocks(guide: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut above, mut is_open) = (String::new(), false);
    for (at, line) in guide.lines().enumerate() {
        match (line.strip_prefix("```"), is_open) {
            (Some(language), false) => {
                let (language, above) = (language.to_owned(), above.clone());
                blocks.push(Block { line: at + 1, language, above, text: String::new() });
                is_open = true;
            }
            (Some(_), true) => is_open = false,
            (None, true) => {
                let text = &mut blocks.last_mut().unwrap().text;
                text.push_str(line);
                text.push('\n');
            }
            (None, false) if !line.is_empty() => line.clone_into(&mut above),
            (None, false) => {}
        }
    }
    blocks
}

#[test]
fn every_block_of_code_stands_in_the_file_that_it_names() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(package.join("../../docs/packs.md")).unwrap();
    let mut checked = 0;
    for Block { line, language, above, text } in blocks(&guide) {
        match language.as_str() {
            "rust" | "toml" => {}
            "json" => {
                serde_json::from_str::<serde_json::Value>(&text).unwrap();
                continue;
            }
            "sh" => continue,
            other => panic!("line {line}: nothing holds a block of `{other}` to the truth"),
        }
        let name = above.strip_prefix("**`").and_then(|rest| rest.strip_suffix("`**"));
        let name = name.unwrap_or_else(|| panic!("line {line}: no file is named above the block"));
        let file = fs::read_to_string(package.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        // A checkout beside one's own crate lies elsewhere than the one around this example.
        let text = text.replace(r#"path = "../toolpack""#, r#"path = "../..""#);
        let mut rest = file.as_str();
        for part in text.split("// …\n").flat_map(|part| part.split("# …\n")) {
            // Where something is left out, its indentation says nothing.
            let part = part.trim_end_matches(' ').trim_matches('\n');
            let found = rest.find(part);
            let at =
                found.unwrap_or_else(|| panic!("line {line}: this is not in {name}, or not there:\n{part}"));
            rest = &rest[at + part.len()..];
        }
        checked += 1;
    }
    assert!(checked > 20, "only {checked} blocks were found");
}
