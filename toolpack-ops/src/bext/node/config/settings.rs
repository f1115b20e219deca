//! Every setting of an instance, in one table: what it is called, its default and its range.
//!
//! All of them take effect while the instance runs, for the requests, connections, releases and checks that begin from
//! then on.

use std::time::Duration;

use super::time_text;

/// What the file says, with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) gateway: GatewaySection,
    pub(crate) deploy: DeploySection,
    pub(crate) health: HealthSection,
}

/// `[gateway]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewaySection {
    pub(crate) header_timeout: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) websocket_idle_timeout: Duration,
    pub(crate) keep_alive: Duration,
    pub(crate) pool_idle_timeout: Duration,
    pub(crate) start_wait: Duration,
    pub(crate) max_body_bytes: u64,
    pub(crate) max_header_bytes: u64,
    pub(crate) max_connections: u64,
    pub(crate) max_in_flight: u64,
}

/// `[deploy]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeploySection {
    pub(crate) drain_time: Duration,
    pub(crate) stop_time: Duration,
    pub(crate) keep_artifacts: u64,
    pub(crate) max_source_bytes: u64,
}

/// `[health]`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HealthSection {
    pub(crate) interval: Duration,
    pub(crate) slow_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self {
            gateway: GatewaySection::default(),
            deploy: DeploySection::default(),
            health: HealthSection::default(),
        };
        for setting in SETTINGS {
            setting.set(&mut settings, setting.default);
        }
        settings
    }
}

/// One setting. Times are counted in milliseconds here.
pub(super) struct Setting {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) default: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    /// A sentence for whoever writes the file.
    pub(super) about: &'static str,
    field: fn(&mut Settings) -> Field<'_>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Time,
    Bytes,
    Count,
}

enum Field<'a> {
    Time(&'a mut Duration),
    Number(&'a mut u64),
}

impl Setting {
    /// As `gateway.header_timeout`.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    pub(super) fn get(&self, settings: &Settings) -> u64 {
        let mut settings = *settings;
        match (self.field)(&mut settings) {
            // Every time came from milliseconds that were a u64.
            Field::Time(time) => u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            Field::Number(number) => *number,
        }
    }

    pub(super) fn set(&self, settings: &mut Settings, value: u64) {
        match (self.field)(settings) {
            Field::Time(time) => *time = Duration::from_millis(value),
            Field::Number(number) => *number = value,
        }
    }

    /// A value as the file would say it.
    pub(super) fn written(&self, value: u64) -> String {
        match self.unit {
            Unit::Time => format!("\"{}\"", time_text::written(value)),
            Unit::Bytes | Unit::Count => value.to_string(),
        }
    }
}

/// The file as it is made at first: every setting as a comment, with its default.
pub(super) fn first_text() -> String {
    let mut text = String::from(
        "# How this instance serves and deploys. Every setting stands here as a comment, with its default: to change one,\n\
         # take the mark from the beginning of its line. reload_config has that take effect while the instance runs.\n\
         # Times are written as \"250ms\", \"10s\", \"2m\" or \"1h\".\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        if setting.section != section {
            section = setting.section;
            text.push_str(&format!("\n[{section}]\n"));
        }
        let (min, max) = (setting.written(setting.min), setting.written(setting.max));
        text.push_str(&format!("# {} {min} to {max}.\n", setting.about));
        text.push_str(&format!("# {} = {}\n", setting.name, setting.written(setting.default)));
    }
    text
}

const MILLISECOND: u64 = 1;
const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

macro_rules! field {
    (Time, $place:expr) => {
        Field::Time(&mut $place)
    };
    ($_:ident, $place:expr) => {
        Field::Number(&mut $place)
    };
}

macro_rules! settings {
    ($($section:ident.$name:ident: $unit:ident, $default:expr, $min:expr => $max:expr, $about:literal;)*) => {
        /// In the order of the file.
        pub(super) const SETTINGS: &[Setting] = &[$(Setting {
            section: stringify!($section),
            name: stringify!($name),
            unit: Unit::$unit,
            default: $default,
            min: $min,
            max: $max,
            about: $about,
            field: |settings| field!($unit, settings.$section.$name),
        }),*];
    };
}

settings! {
    gateway.header_timeout: Time, 10 * SECOND, 100 * MILLISECOND => 5 * MINUTE,
        "How long a client may take to send the head of a request.";
    gateway.connect_timeout: Time, 2 * SECOND, 10 * MILLISECOND => MINUTE,
        "How long connecting to a process may take.";
    gateway.response_timeout: Time, 60 * SECOND, 100 * MILLISECOND => 24 * HOUR,
        "How long an app may take until the head of its response.";
    gateway.idle_timeout: Time, 120 * SECOND, SECOND => 24 * HOUR,
        "How long a body may stand still, either way, before it is cut off.";
    gateway.websocket_idle_timeout: Time, 10 * MINUTE, SECOND => 24 * HOUR,
        "How long nothing may move in a WebSocket before it is cut off.";
    gateway.keep_alive: Time, 75 * SECOND, SECOND => HOUR,
        "How long a connection of a client is kept on which no request is under way.";
    gateway.pool_idle_timeout: Time, 4 * SECOND, 0 => HOUR,
        "How long an idle connection to a process is used again; less than the process keeps one for.";
    gateway.start_wait: Time, 5 * SECOND, 0 => MINUTE,
        "How long a request waits for a process that is just being started again.";
    gateway.max_body_bytes: Bytes, 100 * MIB, KIB => KIB * GIB,
        "The largest body of a request, in bytes.";
    gateway.max_header_bytes: Bytes, 64 * KIB, 8 * KIB => MIB,
        "The largest head of a request, in bytes.";
    gateway.max_connections: Count, 1024, 1 => 65_536,
        "How many connections may be open at once.";
    gateway.max_in_flight: Count, 4096, 1 => 1_000_000,
        "How many requests may be under way at once; more are answered with 503.";
    deploy.drain_time: Time, 30 * SECOND, 0 => HOUR,
        "How long requests that are under way may go on when a release is taken out.";
    deploy.stop_time: Time, 5 * SECOND, 0 => 10 * MINUTE,
        "How long a process that was asked to end may take, before it is killed.";
    deploy.keep_artifacts: Count, 5, 0 => 1000,
        "How many artifacts of an app are kept to roll back to, besides those in use.";
    deploy.max_source_bytes: Bytes, 2 * GIB, KIB => KIB * GIB,
        "The most bytes that the files of one release may have.";
    health.interval: Time, 10 * SECOND, SECOND => HOUR,
        "How often the instance is checked.";
    health.slow_after: Time, SECOND, 10 * MILLISECOND => MINUTE,
        "From when on an answer to a check is slow, and the instance counts as degraded.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_its_own_and_its_default_is_in_range() {
        let defaults = Settings::default();
        for setting in SETTINGS {
            let name = setting.full_name();
            assert!((setting.min..=setting.max).contains(&setting.default), "{name}");
            assert_eq!(setting.get(&defaults), setting.default, "{name}");
            let mut changed = defaults;
            setting.set(&mut changed, setting.default + 1);
            let others = SETTINGS.iter().filter(|other| other.full_name() != name);
            assert!(others.clone().count() == SETTINGS.len() - 1, "{name}");
            assert_eq!(setting.get(&changed), setting.default + 1, "{name}");
            for other in others {
                assert_eq!(other.get(&changed), other.default, "{name} {}", other.full_name());
            }
            assert!(setting.about.ends_with('.'), "{name}");
        }
        assert_eq!(defaults.gateway.response_timeout, Duration::from_secs(60));
        assert_eq!(defaults.gateway.max_body_bytes, 104_857_600);
        assert_eq!(defaults.deploy.keep_artifacts, 5);
    }

    #[test]
    fn the_first_file_is_of_narrow_lines() {
        for line in first_text().lines() {
            assert!(line.len() <= 130, "{line}");
        }
    }
}
