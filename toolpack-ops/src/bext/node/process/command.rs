//! The command of an app: found before it is started, so that what is wrong with it is said clearly.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Where programs are looked for when the node itself has no `PATH`.
const USUAL_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The `PATH` that apps inherit.
pub(super) fn inherited_path() -> OsString {
    std::env::var_os("PATH").filter(|path| !path.is_empty()).unwrap_or_else(|| USUAL_PATH.into())
}

/// Checks that there is a program behind the first word of a command: with a slash in it, in the directory; else, in
/// one of the directories of `path`. The error says what to correct.
pub(super) fn check(command: &[String], directory: &Path, path: &OsString) -> Result<(), String> {
    let Some(word) = command.first().filter(|word| !word.is_empty()) else {
        return Err("the command has no first word: it begins with the program to start".to_owned());
    };
    if command.iter().any(|word| word.contains('\0')) {
        return Err("the command holds a NUL, which no argument can".to_owned());
    }
    // The shell would take it as an option of its own.
    if word.starts_with('-') {
        return Err(format!(
            "command not found: {word:?} begins with a hyphen; the command begins with the program to start"
        ));
    }
    if word.contains('/') {
        return match look_at(&directory.join(word)) {
            Found::Program => Ok(()),
            Found::NotExecutable => Err(format!(
                "command not executable: {word:?} has no permission to execute; give it that (chmod +x), or begin the \
                 command with its interpreter"
            )),
            Found::Directory => Err(format!("command not found: {word:?} is a directory")),
            Found::Nothing => {
                Err(format!("command not found: there is no {word:?} among the files of the app"))
            }
        };
    }
    let is_program = |place: PathBuf| look_at(&directory.join(place).join(word)) == Found::Program;
    if std::env::split_paths(path).any(is_program) {
        return Ok(());
    }
    let hint = match look_at(&directory.join(word)) {
        Found::Program | Found::NotExecutable => format!("; the file of the app is \"./{word}\""),
        Found::Directory | Found::Nothing => String::new(),
    };
    Err(format!("command not found: there is no program {word:?} in PATH{hint}"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Program,
    NotExecutable,
    Directory,
    Nothing,
}

fn look_at(path: &Path) -> Found {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Found::Directory,
        Ok(_) if access(path, Access::EXEC_OK).is_ok() => Found::Program,
        Ok(_) => Found::NotExecutable,
        Err(_) => Found::Nothing,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_command_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, mode| {
            let path = directory.path().join(name);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        file("run.sh", 0o755);
        file("data", 0o644);
        fs::create_dir(directory.path().join("bin")).unwrap();
        file("bin/tool", 0o755);
        let check = |words: &[&str], path: &str| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            check(&words, directory.path(), &path.into())
        };
        assert_eq!(check(&["sh", "-c", "true"], USUAL_PATH), Ok(()));
        assert_eq!(check(&["./run.sh"], ""), Ok(()));
        assert_eq!(check(&["bin/tool"], ""), Ok(()));
        assert_eq!(check(&["/bin/sh"], ""), Ok(()));
        assert_eq!(check(&["tool"], "bin:/nowhere"), Ok(()));
        for (words, said) in [
            (&[] as &[&str], "no first word"),
            (&[""], "no first word"),
            (&["sh", "a\0b"], "NUL"),
            (&["-c"], "hyphen"),
            (
                &["no-such-program-here"],
                "command not found: there is no program \"no-such-program-here\" in PATH",
            ),
            (&["run.sh"], "the file of the app is \"./run.sh\""),
            (&["./nope"], "there is no \"./nope\" among the files"),
            (&["./bin"], "is a directory"),
        ] {
            let error = check(words, USUAL_PATH).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        // Whoever may do all may execute only what somebody may.
        assert!(check(&["./data"], "").unwrap_err().contains("chmod +x"));
    }
}
