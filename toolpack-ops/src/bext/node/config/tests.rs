//! The file, what of it is in effect, and what a change of it does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why")]

use std::fs;

use super::*;
use crate::bext::node::source::SourceLimits;

struct Instance {
    root: tempfile::TempDir,
    config: ConfigFile,
}

impl Instance {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let config = ConfigFile::open(&root.path().join("local")).unwrap();
        Self { root, config }
    }

    fn write(&self, text: &str) {
        fs::write(self.root.path().join("local").join(FILE), text).unwrap();
    }

    fn reload(&self) -> Vec<String> {
        let (config, change) = self.config.reload().unwrap();
        assert_eq!(config, self.config.current());
        assert_eq!(change.needs_restart, NONE);
        change.changed
    }
}

const NONE: [&str; 0] = [];

#[test]
fn the_first_start_makes_a_file_that_changes_nothing() {
    let instance = Instance::new();
    assert_eq!(instance.config.current(), InstanceConfig::default());
    assert_eq!(instance.config.current().drain_time, Duration::from_secs(30));
    assert_eq!(instance.reload(), NONE);
    let shown = instance.config.shown().unwrap();
    assert_eq!(shown.path, "instances/local/bext.config.toml");
    assert_eq!(shown.toml, settings::first_text());
    // A file that a person wrote stays.
    instance.write("deploy.keep_artifacts = 1");
    let again = ConfigFile::open(&instance.root.path().join("local")).unwrap();
    assert_eq!(again.current().keep_artifacts, 1);
    assert_eq!(again.shown().unwrap().toml, "deploy.keep_artifacts = 1");
}

#[test]
fn every_setting_reaches_what_is_in_effect() {
    assert_eq!(InstanceConfig::default().gateway, GatewaySettings::default());
    assert_eq!(InstanceConfig::default().max_source_bytes, SourceLimits::default().bytes);
    let instance = Instance::new();
    for setting in SETTINGS {
        instance.write(&format!("{} = {}", setting.full_name(), setting.written(setting.min)));
        assert_eq!(instance.reload(), [setting.full_name()]);
        assert_ne!(instance.config.current(), InstanceConfig::default(), "{}", setting.full_name());
        instance.write("");
        assert_eq!(instance.reload(), [setting.full_name()]);
        assert_eq!(instance.config.current(), InstanceConfig::default());
    }
}

#[test]
fn a_reload_says_what_has_changed() {
    let instance = Instance::new();
    instance.write("[health]\ninterval = \"1m\"\n[gateway]\nmax_connections = 9\nheader_timeout = \"3s\"\n");
    assert_eq!(instance.reload(), ["gateway.header_timeout", "gateway.max_connections", "health.interval"]);
    assert_eq!(instance.config.current().health_interval, Duration::from_secs(60));
    // Read again, and said in another way, nothing changes.
    assert_eq!(instance.reload(), NONE);
    instance.write(
        "gateway = { max_connections = 0x9, header_timeout = '3000ms' }\nhealth.interval = '60s' # so\n",
    );
    assert_eq!(instance.reload(), NONE);
    // What is taken out is at its default again.
    instance.write("gateway.max_connections = 9");
    assert_eq!(instance.reload(), ["gateway.header_timeout", "health.interval"]);
    assert_eq!(instance.config.current().health_interval, Duration::from_secs(10));
    let again = ConfigFile::open(&instance.root.path().join("local")).unwrap();
    assert_eq!(again.reload().unwrap().1, ConfigChange::default());
}

#[test]
fn reloads_at_once_agree_with_the_file() {
    let instance = Instance::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for n in 1..50 {
                    // Written whole, as an editor does: a reader sees the one text or the other.
                    let path = instance.root.path().join("local").join(FILE);
                    private_file::replace(&path, format!("deploy.keep_artifacts = {n}").as_bytes()).unwrap();
                    instance.config.reload().unwrap();
                }
            });
        }
    });
    instance.reload();
    assert_eq!(instance.config.current().keep_artifacts, 49);
}

#[test]
fn a_file_that_is_not_good_changes_nothing() {
    let instance = Instance::new();
    instance.write("deploy.keep_artifacts = 7");
    instance.reload();
    let before = instance.config.current();
    for (bad, place) in [
        ("deploy.keep_artifacts = 9\n[gateway]\nheader_timout = '1s'", "line 3, column 1"),
        ("deploy.keep_artifacts = 9\nx = ", "line 2, column 5"),
        ("deploy.keep_artifacts = 9\nhealth.interval = '0s'", "line 2, column 19"),
    ] {
        instance.write(bad);
        let error = instance.config.reload().unwrap_err();
        assert_eq!((error.code(), error.kind()), ("config_invalid", ErrorKind::InvalidInput));
        let begins = "what was in effect stays; instances/local/bext.config.toml is not good: ";
        assert!(error.message().starts_with(&format!("{begins}{place}")), "{}", error.message());
        assert_eq!(instance.config.current(), before);
        let error = ConfigFile::open(&instance.root.path().join("local")).unwrap_err();
        assert_eq!(error.code(), "config_invalid");
    }
    let many: String = (0..12).map(|n| format!("x{n} = 1\n")).collect();
    instance.write(&many);
    assert!(instance.config.reload().unwrap_err().message().ends_with("; and 2 more"));
    fs::write(instance.root.path().join("local").join(FILE), b"# \xff").unwrap();
    assert_eq!(instance.config.reload().unwrap_err().code(), "config_invalid");
    instance.write(&"#".repeat(MAX_BYTES as usize + 1));
    assert_eq!(instance.config.reload().unwrap_err().code(), "config_invalid");
    fs::remove_file(instance.root.path().join("local").join(FILE)).unwrap();
    let error = instance.config.reload().unwrap_err();
    assert_eq!((error.code(), error.kind()), ("config_unavailable", ErrorKind::Unavailable));
    assert_eq!(instance.config.current(), before);
}

#[test]
fn a_file_that_is_no_toml_is_not_shown() {
    let instance = Instance::new();
    instance.write("password = hunter2");
    let error = instance.config.shown().unwrap_err();
    assert_eq!(error.code(), "config_unavailable");
    assert!(error.message().contains("line 1, column "), "{}", error.message());
    assert!(!format!("{error:?}").contains("hunter2"));
    // One that is TOML and no good configuration is.
    instance.write("password = 'hunter2'");
    assert_eq!(instance.config.shown().unwrap().toml, "password = \"[hidden]\"");
    assert_eq!(instance.config.reload().unwrap_err().code(), "config_invalid");
}

#[test]
fn what_is_doubtful_is_said() {
    let instance = Instance::new();
    for (text, setting) in [
        ("deploy.keep_artifacts = 0", "deploy.keep_artifacts"),
        ("deploy.drain_time = '0s'", "deploy.drain_time"),
        ("deploy.stop_time = '0s'", "deploy.stop_time"),
        ("gateway.response_timeout = '100ms'", "gateway.response_timeout"),
        ("gateway.max_body_bytes = 1024", "gateway.max_body_bytes"),
        ("health.slow_after = '10s'", "health.slow_after"),
    ] {
        instance.write(text);
        let warnings = instance.config.reload().unwrap().1.warnings;
        assert_eq!(warnings.len(), 1, "{text}");
        assert!(warnings[0].starts_with(setting), "{text}");
    }
    instance.write("");
    assert!(instance.config.reload().unwrap().1.warnings.is_empty());
}

#[cfg(unix)]
#[test]
fn the_file_is_for_its_owner_only() {
    use std::os::unix::fs::MetadataExt;
    let instance = Instance::new();
    let metadata = fs::metadata(instance.root.path().join("local").join(FILE)).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
}
