//! Whether the tests that the documentation of security names are there.

use std::{fs, path::Path};

/// The names of tests among the sources of a directory.
fn tests_in(directory: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_in(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim_start) {
                is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
                let declared = line.trim_start_matches("async ").strip_prefix("fn ");
                if let Some((name, _)) = declared.and_then(|declared| declared.split_once('(')) {
                    if is_test {
                        names.push(name.to_owned());
                    }
                    is_test = false;
                }
            }
        }
    }
}

#[test]
fn every_test_that_the_documentation_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut names = Vec::new();
    for member in
        ["tests", "mcp-core", "mcp-audit", "mcp-transport-http", "mcp-transport-stdio", "toolpack-ops"]
    {
        tests_in(&root.join(member), &mut names);
    }
    let text = fs::read_to_string(root.join("docs/security.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| "));
    let named: Vec<&str> = rows
        .flat_map(|row| row.split('`').skip(1).step_by(2))
        .filter(|word| {
            word.len() > 20 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
        .collect();
    assert!(named.len() > 40, "{named:?}");
    for name in named {
        assert!(names.iter().any(|known| known == name), "there is no test {name}");
    }
}
