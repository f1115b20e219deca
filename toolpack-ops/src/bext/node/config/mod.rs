//! `bext.config.toml`: how an instance serves and deploys, as its owner writes it.
//!
//! It holds no secrets and knows no setting for one. What is shown of it is masked all the same: a person may have put
//! one there.

mod credentials;
mod reader;
mod settings;
mod shown;
mod time_text;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(crate) use self::settings::{GatewaySection, Settings};

use self::reader::Problem;
use self::settings::SETTINGS;
use super::gateway::GatewaySettings;
use super::private_file;
use crate::bext::engine::{ConfigChange, ConfigText};
use crate::error::{Error, ErrorKind};

const FILE: &str = "bext.config.toml";
const MAX_BYTES: u64 = 256 << 10;

/// The configuration of an instance, with its defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceConfig {
    pub(crate) gateway: GatewaySettings,
    /// How long requests that are under way may go on when a release is taken out. 30 seconds by default.
    pub(crate) drain_time: Duration,
    /// How long a process that was asked to end may take, before it is killed. 5 seconds by default.
    pub(crate) stop_time: Duration,
    /// How many artifacts of an app are kept, besides those in use. 5 by default.
    pub(crate) keep_artifacts: usize,
    /// The most bytes that the files of one release may have. 2 GiB by default.
    pub(crate) max_source_bytes: u64,
    /// How often the instance is checked. Every 10 seconds by default.
    pub(crate) health_interval: Duration,
    /// From when on an answer to a check is slow. 1 second by default.
    pub(crate) slow_after: Duration,
}

impl InstanceConfig {
    fn of(settings: &Settings) -> Self {
        let Settings { gateway, deploy, health } = settings;
        Self {
            gateway: gateway_settings(gateway),
            drain_time: deploy.drain_time,
            stop_time: deploy.stop_time,
            keep_artifacts: usize::try_from(deploy.keep_artifacts).unwrap_or(usize::MAX),
            max_source_bytes: deploy.max_source_bytes,
            health_interval: health.interval,
            slow_after: health.slow_after,
        }
    }
}

impl Default for InstanceConfig {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}

/// `[gateway]` as the gateway takes it.
fn gateway_settings(section: &GatewaySection) -> GatewaySettings {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    // Each by its name: a setting that the gateway has and the file has not is seen here.
    GatewaySettings {
        header_timeout: section.header_timeout,
        keep_alive: section.keep_alive,
        connect_timeout: section.connect_timeout,
        start_timeout: section.start_wait,
        response_timeout: section.response_timeout,
        idle_timeout: section.idle_timeout,
        websocket_idle_timeout: section.websocket_idle_timeout,
        pool_idle_timeout: section.pool_idle_timeout,
        max_body_bytes: section.max_body_bytes,
        max_header_bytes: count(section.max_header_bytes),
        max_connections: count(section.max_connections),
        max_in_flight: section.max_in_flight,
    }
}

/// The file and what of it is in effect. Its methods block.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    path: PathBuf,
    /// The name of the file within the data directory.
    name: String,
    // Held while the file is read anew: of two reloads, the one that read later has the last word.
    reloading: Mutex<()>,
    effective: Mutex<Settings>,
}

impl ConfigFile {
    /// That of an instance; made on first start, with every setting as a comment.
    ///
    /// Errors: `config_invalid`, saying all that is wrong and where; `config_unavailable`.
    pub(crate) fn open(instance: &Path) -> Result<Self, Error> {
        private_file::make_dir(instance).map_err(unavailable)?;
        let path = instance.join(FILE);
        private_file::create(&path, settings::first_text().as_bytes()).map_err(unavailable)?;
        let id = instance.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("instances/{id}/{FILE}");
        let settings = reader::read(&read(&path)?).map_err(|problems| invalid(&name, "", &problems))?;
        Ok(Self { path, name, reloading: Mutex::new(()), effective: Mutex::new(settings) })
    }

    /// What is in effect. It does not look at the file.
    pub(crate) fn current(&self) -> InstanceConfig {
        InstanceConfig::of(&self.effective())
    }

    /// Reads it anew and has it take effect; says what has changed. Nothing in it waits for the node to be started again.
    ///
    /// Errors: `config_invalid`, `config_unavailable`; then what was in effect stays.
    pub(crate) fn reload(&self) -> Result<(InstanceConfig, ConfigChange), Error> {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = reader::read(&read(&self.path)?)
            .map_err(|problems| invalid(&self.name, "what was in effect stays; ", &problems))?;
        let mut effective = self.effective();
        let mut change = ConfigChange { warnings: warnings(&wanted), ..ConfigChange::default() };
        for setting in SETTINGS {
            let value = setting.get(&wanted);
            if value == setting.get(&effective) {
                continue;
            }
            setting.set(&mut effective, value);
            change.changed.push(setting.full_name());
        }
        change.changed.sort_unstable();
        Ok((InstanceConfig::of(&effective), change))
    }

    /// Its text with what is secret masked.
    ///
    /// Errors: `config_unavailable`, also for a text that is no TOML: of that, nobody can say what is secret.
    pub(crate) fn shown(&self) -> Result<ConfigText, Error> {
        let toml = shown::masked(&read(&self.path)?).map_err(|problem| {
            let message =
                format!("{} cannot be shown, as it is no TOML: {problem}; correct it there", self.name);
            Error::new(ErrorKind::Unavailable, "config_unavailable", message)
        })?;
        Ok(ConfigText { path: self.name.clone(), toml })
    }

    fn effective(&self) -> MutexGuard<'_, Settings> {
        // What is in it is whole at any moment, so a panic elsewhere leaves it good.
        self.effective.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may be set, and is doubtful.
fn warnings(settings: &Settings) -> Vec<String> {
    let Settings { gateway, deploy, health } = settings;
    let doubtful = [
        (
            gateway.response_timeout < gateway.connect_timeout,
            "gateway.response_timeout is shorter than gateway.connect_timeout, which then never ends a request",
        ),
        (
            gateway.max_body_bytes < gateway.max_header_bytes,
            "gateway.max_body_bytes is less than gateway.max_header_bytes; most uploads will be refused with 413",
        ),
        (
            deploy.drain_time.is_zero(),
            "deploy.drain_time is 0s: requests under way are cut off by each deploy",
        ),
        (
            deploy.stop_time.is_zero(),
            "deploy.stop_time is 0s: processes are killed without being asked to end",
        ),
        (
            deploy.keep_artifacts == 0,
            "deploy.keep_artifacts is 0: only the version before the live one can be rolled back to",
        ),
        (
            health.slow_after >= health.interval,
            "health.slow_after is not less than health.interval; a slow instance is checked again before it counts as slow",
        ),
    ];
    doubtful.into_iter().filter(|(is_so, _)| *is_so).map(|(_, sentence)| sentence.to_owned()).collect()
}

fn read(path: &Path) -> Result<String, Error> {
    match private_file::read(path, MAX_BYTES) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(unavailable(io::ErrorKind::NotFound.into())),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Error::new(ErrorKind::InvalidInput, "config_invalid", format!("{FILE} is not text in UTF-8")))
        }
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(Error::new(
            ErrorKind::InvalidInput,
            "config_invalid",
            format!("{FILE} is larger than {MAX_BYTES} bytes"),
        )),
        Err(error) => Err(unavailable(error)),
    }
}

fn unavailable(error: io::Error) -> Error {
    let message = format!("{FILE} of the instance cannot be read; see that it is there");
    Error::new(ErrorKind::Unavailable, "config_unavailable", message).with_source(error)
}

fn invalid(name: &str, consequence: &str, problems: &[Problem]) -> Error {
    const SHOWN: usize = 10;
    let mut said: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        said.push(format!("and {} more", problems.len() - SHOWN));
    }
    let message = format!("{consequence}{name} is not good: {}", said.join("; "));
    Error::new(ErrorKind::InvalidInput, "config_invalid", message)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
